-- Show readers what has been delivered, up to a sequence. Answer 0 if something was lost since it
-- was recorded, or there is no horizon yet, else 1.
-- ARGV: sequence, time of the first record
local epoch = now()
local before = horizon()
if tonumber(ARGV[2]) < epoch or not before then
  return 0
end
redis.call('HSET', 'news-clock', 'horizon', math.max(before, tonumber(ARGV[1])))
return 1
