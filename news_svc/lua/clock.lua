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

-- The tick at which a feed was begun and whether it is complete, or nil if it is lost.
local function state_of(user, epoch)
  local first = redis.call('ZRANGE', 'feed:' .. user, 0, 0, 'WITHSCORES')
  if first[2] and -first[2] >= epoch then
    return -first[2], first[1] == 'complete'
  end
end
