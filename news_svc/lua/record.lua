-- Keep an event among its author's latest. Answer the time if it belongs into feeds; 0 if its author
-- has left, or it is a duplicate (a second copy in the stream, or one older than what is known); -1
-- if the author's latest are lost, or lack what came before: then they are to be restored first.
-- A redelivery (same place) belongs into feeds: the first delivery may have died half-way.
-- ARGV: feed length, author, sequence, version, body, 1 if nothing came before that we do not know
local length, author, sequence, version = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local gone = redis.call('GET', 'gone:' .. redis.sha1hex(author))
if gone and tonumber(sequence) <= tonumber(gone) then
  return 0
end
local epoch, tick = now()
local last = version_of(author, epoch)
if not last then
  return -1
end
if redis.call('ZSCORE', 'latest:' .. author, sequence) then
  return tick
end
if version <= last then
  return 0
end
if version > last + 1 and ARGV[6] ~= '1' then
  return -1
end
keep(author, sequence, ARGV[5])
redis.call('HSET', 'events:' .. author, '', version)
cut(author, length)
return tick
