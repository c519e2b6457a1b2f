-- Put an author's latest events back. Answer 0 if something was lost since they were read, else 1.
-- What is there already stays: it may be newer than what was read.
-- ARGV: author, time before they were read, version of the last, feed length, then id, sequence, body, id …
local author, moment, version = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local latest, bodies = 'author:' .. author, 'author-events:' .. author

local epoch, tick = now()
if moment < epoch or moment > tick then
  return 0
end
local last = version_of(author, epoch)
if not last then
  redis.call('DEL', latest, bodies)
  redis.call('ZADD', latest, -tick, '')
end
-- Where there are as many as are kept, older ones may have been dropped for being too many.
local first = redis.call('ZRANGE', latest, -ARGV[4], -ARGV[4], 'WITHSCORES')[2]
for i = 5, #ARGV, 3 do
  if not first or tonumber(ARGV[i + 1]) >= tonumber(first) then
    keep(author, ARGV[i], ARGV[i + 1], ARGV[i + 2])
  end
end
redis.call('HSET', bodies, '', math.max(version, last or 0))
return 1
