-- Read events of a feed with their bodies: sequence, body, sequence, body …
-- An event without a body has left its author's latest, and therefore every feed: see store.py.
-- KEYS: feed:<username>; the keys author-events:<author> follow from what is in it
-- ARGV: number of events, order (oldest or newest), sequence of the last event read or ''
local wanted = tonumber(ARGV[1])
local command, from, to = 'ZRANGEBYSCORE', '-inf', '+inf'
if ARGV[2] == 'newest' then
  command, from, to = 'ZREVRANGEBYSCORE', to, from
end
if ARGV[3] ~= '' then
  from = '(' .. ARGV[3]
end

local found, offset = {}, 0
repeat
  local members = redis.call(command, KEYS[1], from, to, 'WITHSCORES', 'LIMIT', offset, wanted)
  for i = 1, #members, 2 do
    local author, id = string.match(members[i], '^([^/]+)/(.+)$')
    local body = redis.call('HGET', 'author-events:' .. author, id)
    if body and #found < 2 * wanted then
      table.insert(found, members[i + 1])
      table.insert(found, body)
    end
  end
  offset = offset + wanted
until #found == 2 * wanted or #members < 2 * wanted
return found
