-- From now on feeds that are made take an author's events when they are read. Answer the time; 0 if
-- the author's latest are lost.
-- ARGV: author
local epoch, tick = now()
if not version_of(ARGV[1], epoch) then
  return 0
end
redis.call('HSETNX', 'events:' .. ARGV[1], 'pulled', 'by some')
return tick
