# Start Valkey with its passwords from the environment: REDISCLI_AUTH is that of the feeds' reader
# and writer, who may do everything, VALKEY_PASSWORD_GATEWAY that of the user gateway, who may count
# requests for the rate limits and nothing else.
exec valkey-server - <<END
include /etc/valkey/valkey.conf
requirepass $REDISCLI_AUTH
user gateway on >$VALKEY_PASSWORD_GATEWAY ~rate-limit:* resetchannels -@all +evalsha +script|load +get +incrby +expire +ping +hello +client|setinfo +client|setname
END
