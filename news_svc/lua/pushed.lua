-- Answer those of some authors whose events are to be written into feeds.
-- ARGV: the authors
local epoch = now()
local found = {}
for _, author in ipairs(ARGV) do
  if not version_of(author, epoch)
    or redis.call('HGET', 'events:' .. author, 'pulled') ~= 'by all' then
    table.insert(found, author)
  end
end
return found
