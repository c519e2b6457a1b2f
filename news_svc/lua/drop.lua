-- Drop a feed: it is lost, and is made anew from whom its owner follows then.
-- ARGV: username
lose(ARGV[1])
