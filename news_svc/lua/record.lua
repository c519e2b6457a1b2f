-- Keep an event among its author's latest. Answer the time if it belongs into feeds; 0 if its author
-- has left, or it is a duplicate (the same event at a second place in the stream, or one older than
-- what is known); -1 if the author's latest are lost, or lack what came before: then they are to be
-- restored first.
-- A redelivery (same place) belongs into feeds: the first delivery may have died half-way.
-- ARGV: feed length, author, event id, sequence, version, body, 1 if nothing came before that we
-- do not know
local length, author, id, sequence = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local latest, bodies = 'author:' .. author, 'author-events:' .. author
local version = tonumber(ARGV[5])

local gone = redis.call('GET', 'gone:' .. redis.sha1hex(author))
if gone and tonumber(sequence) <= tonumber(gone) then
  return 0
end
local epoch, tick = now()
local last = version_of(author, epoch)
if not last then
  return -1
end
local place = redis.call('ZSCORE', latest, id)
if place then
  return tonumber(place) == tonumber(sequence) and tick or 0
end
if version <= last then
  return 0
end
if version > last + 1 and ARGV[7] ~= '1' then
  return -1
end
keep(author, id, sequence, ARGV[6])
redis.call('HSET', bodies, '', version)
cut(author, length)
return tick
