-- Drop a feed: it is lost, and is made anew from whom its owner follows then.
-- ARGV: username
redis.call('DEL', 'feed:' .. ARGV[1])
