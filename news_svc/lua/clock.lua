-- What every script begins with: the clock of this store, and how what it holds is told from what
-- it has lost.
--
-- The horizon, in the clock, is a sequence of the stream: all feeds have all events up to it, and
-- readers see none beyond it. So what is written into many feeds at a time, in any order, becomes
-- visible at once.
--
-- The clock goes on by one with each feed that is begun. An epoch begins with the tick at which
-- this server is first used: when it is empty, and also when it has started or has been promoted,
-- for it may then lack the last of what it had confirmed. What was made before is lost.

local function now()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local clock = redis.call('HMGET', 'clock', 'run', 'epoch', 'tick')
  if clock[1] == run then
    return tonumber(clock[2]), tonumber(clock[3])
  end
  -- Microseconds, so that an emptied clock goes on above all ticks that there have been.
  local time = redis.call('TIME')
  local tick = math.max(time[1] * 1000000 + time[2], tonumber(clock[3] or 0) + 1)
  redis.call('HSET', 'clock', 'run', run, 'epoch', tick, 'tick', tick)
  redis.call('HDEL', 'clock', 'horizon')
  return tick, tick
end

local function horizon()
  return tonumber(redis.call('HGET', 'clock', 'horizon') or nil)
end

-- The version of an author's last event here, or nil if the author's latest are lost.
local function version_of(author, epoch)
  local since = redis.call('ZSCORE', 'author:' .. author, '')
  if since and -since >= epoch then
    return tonumber(redis.call('HGET', 'author-events:' .. author, '') or nil)
  end
end

local function field_of(event)
  return 'hidden ' .. event.url
end

-- Keep an event among its author's latest.
local function keep(author, id, sequence, body)
  local bodies = 'author-events:' .. author
  redis.call('ZADD', 'author:' .. author, sequence, id)
  redis.call('HSET', bodies, id, body)
  local event = cjson.decode(body)
  if event.type == 'link.hidden' then
    local last = tonumber(redis.call('HGET', bodies, field_of(event)) or 0)
    redis.call('HSET', bodies, field_of(event), math.max(last, tonumber(sequence)))
  end
end

-- Keep no more than some of an author's latest. What an event has hidden is older than it.
local function cut(author, length)
  local latest, bodies = 'author:' .. author, 'author-events:' .. author
  local old = redis.call('ZRANGE', latest, 1, -length - 1, 'WITHSCORES')
  for i = 1, #old, 2 do
    local body = redis.call('HGET', bodies, old[i])
    local event = body and cjson.decode(body) or {}
    if event.type == 'link.hidden'
      and tonumber(redis.call('HGET', bodies, field_of(event))) == tonumber(old[i + 1]) then
      redis.call('HDEL', bodies, field_of(event))
    end
    redis.call('ZREM', latest, old[i])
    redis.call('HDEL', bodies, old[i])
  end
end

-- Whether nobody reads an event, because its link was hidden by it or later.
local function is_hidden(author, sequence, body)
  local last = redis.call('HGET', 'author-events:' .. author, field_of(cjson.decode(body)))
  return last and tonumber(sequence) <= tonumber(last)
end

-- The tick at which a feed was begun and whether it is complete, or nil if it is lost.
local function state_of(user, epoch)
  local first = redis.call('ZRANGE', 'feed:' .. user, 0, 0, 'WITHSCORES')
  if first[2] and -first[2] >= epoch then
    return -first[2], first[1] == 'complete'
  end
end
