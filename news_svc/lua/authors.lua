-- What authors did last.

-- The version of an author's last event here, or nil if the author's latest are lost.
local function version_of(author, epoch)
  local since = redis.call('ZSCORE', 'latest:' .. author, '')
  if since and -since >= epoch then
    return tonumber(redis.call('HGET', 'events:' .. author, '') or nil)
  end
end

-- Whether all feeds take an author's events when they are read.
local function is_pulled(author, epoch)
  return version_of(author, epoch) and redis.call('HGET', 'events:' .. author, 'pulled') == 'by all'
end

-- By which number the feeds know an author.
local function number_of(author)
  local number = redis.call('HGET', 'authors', author)
  if not number then
    number = redis.call('HINCRBY', 'news-clock', 'authors', 1)
    redis.call('HSET', 'authors', author, number, '#' .. number, author)
  end
  return tonumber(number)
end

-- Whose number this is, or nil if that is lost.
local function author_of(number)
  return redis.call('HGET', 'authors', '#' .. number) or nil
end

local function is_hiding(event)
  return event[2] == 'link.hidden'
end

local function field_of(event)
  return 'hidden ' .. event[3]
end

-- Keep an event among its author's latest.
local function keep(author, sequence, body)
  local bodies = 'events:' .. author
  redis.call('ZADD', 'latest:' .. author, sequence, sequence)
  redis.call('HSET', bodies, sequence, body)
  local event = cjson.decode(body)
  if is_hiding(event) then
    redis.call('HSET', bodies, 'hides', 1)
    local last = redis.call('HGET', bodies, field_of(event))
    if not last or tonumber(last) < tonumber(sequence) then
      redis.call('HSET', bodies, field_of(event), sequence)
    end
  end
end

-- Keep no more than some of an author's latest. What an event has hidden is older than it.
local function cut(author, length)
  local latest, bodies = 'latest:' .. author, 'events:' .. author
  for _, sequence in ipairs(redis.call('ZRANGE', latest, 1, -length - 1)) do
    local body = redis.call('HGET', bodies, sequence)
    local event = body and cjson.decode(body)
    if event and is_hiding(event) and redis.call('HGET', bodies, field_of(event)) == sequence then
      redis.call('HDEL', bodies, field_of(event))
    end
    redis.call('ZREM', latest, sequence)
    redis.call('HDEL', bodies, sequence)
  end
end

-- Whether an author has ever hidden something: most have not, and need no looking.
local function hides(author)
  return redis.call('HEXISTS', 'events:' .. author, 'hides') == 1
end

-- Whether nobody reads an event, because its link was hidden by it or later.
local function is_hidden(author, sequence, body)
  local last = redis.call('HGET', 'events:' .. author, field_of(cjson.decode(body)))
  return last and sequence <= tonumber(last)
end

-- The sequences of an author's events above one and up to another, the latest first.
local function latest_of(author, above, last, length)
  return redis.call('ZRANGE', 'latest:' .. author, last, string.format('(%.0f', above),
    'BYSCORE', 'REV', 'LIMIT', 0, length)
end

-- The sequence of an author's last event, or that of none.
local function last_of(author)
  return tonumber(redis.call('ZRANGE', 'latest:' .. author, -1, -1, 'WITHSCORES')[2] or 0)
end
