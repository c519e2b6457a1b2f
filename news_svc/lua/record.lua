-- Keep events among their authors' latest. Answer for each the time if it belongs into feeds; 0 if its
-- author has left, or it is a duplicate (a second copy in the stream, or one older than what is
-- known); -1 if the author's latest are lost, or lack what came before: then they are to be restored
-- first. A redelivery (same place) belongs into feeds: the first delivery may have died half-way.
-- Answer also which of the authors' events feeds take when they are read.
-- ARGV: feed length, 1 if nothing came before that we do not know, then for each event its author,
-- sequence, version and body
local length, is_restored = ARGV[1], ARGV[2] == '1'
local epoch, tick = now()

local function record(author, sequence, version, body)
  local gone = redis.call('GET', 'gone:' .. redis.sha1hex(author))
  if gone and tonumber(sequence) <= tonumber(gone) then
    return 0
  end
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
  if version > last + 1 and not is_restored then
    return -1
  end
  keep(author, sequence, body)
  redis.call('HSET', 'events:' .. author, '', version)
  cut(author, length)
  return tick
end

local moments, pulled, seen = {}, {}, {}
for i = 3, #ARGV, 4 do
  local author = ARGV[i]
  table.insert(moments, record(author, ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]))
  if not seen[author] and is_pulled(author, epoch) then
    table.insert(pulled, author)
  end
  seen[author] = true
end
return {moments, pulled}
