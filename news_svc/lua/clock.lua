-- What every script begins with: the clock of this store, by which it tells what it has from what
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
  local clock = redis.call('HMGET', 'news-clock', 'run', 'epoch', 'tick')
  if clock[1] == run then
    return tonumber(clock[2]), tonumber(clock[3])
  end
  -- Microseconds, so that an emptied clock goes on above all ticks that there have been.
  local time = redis.call('TIME')
  local tick = math.max(time[1] * 1000000 + time[2], tonumber(clock[3] or 0) + 1)
  redis.call('HSET', 'news-clock', 'run', run, 'epoch', tick, 'tick', tick)
  redis.call('HDEL', 'news-clock', 'horizon')
  redis.call('DEL', 'authors')
  return tick, tick
end

local function horizon()
  return tonumber(redis.call('HGET', 'news-clock', 'horizon') or nil)
end

-- Show readers what has been delivered, up to a sequence. Answer 0 if something was lost since it was
-- recorded, or there is no horizon yet, else 1.
local function advance(sequence, moment)
  local epoch = now()
  local before = horizon()
  if moment < epoch or not before then
    return 0
  end
  redis.call('HSET', 'news-clock', 'horizon', string.format('%.0f', math.max(before, sequence)))
  return 1
end
