-- Show readers what has been delivered: see clock.lua.
-- ARGV: sequence, time of the first record
return advance(tonumber(ARGV[1]), tonumber(ARGV[2]))
