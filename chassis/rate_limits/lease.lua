-- Grant leave for a part of what is left, so that all processes together keep to the limit.
-- KEYS: for each ask, the counter of this window and that of the window before.
-- ARGV: for each ask, the limit, how much of the window before counts, and the window's seconds.
-- Returns for each ask what is granted, and both counters after that.
local answers = {}
for ask = 1, #KEYS / 2 do
  local limit, weight, seconds = ARGV[3 * ask - 2], ARGV[3 * ask - 1], ARGV[3 * ask]
  local used = tonumber(redis.call('GET', KEYS[2 * ask - 1]) or 0)
  local before = tonumber(redis.call('GET', KEYS[2 * ask]) or 0)
  local left = math.max(0, math.floor(limit - before * weight + 1e-4) - used)
  local granted = math.ceil(left / 32)
  if granted > 0 then
    used = redis.call('INCRBY', KEYS[2 * ask - 1], granted)
    redis.call('EXPIRE', KEYS[2 * ask - 1], 2 * seconds)
  end
  answers[ask] = {granted, used, before}
end
return answers
