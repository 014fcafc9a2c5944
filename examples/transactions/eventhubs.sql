-- Azure Event Hubs, into a lake on this machine. One connection string says where and who; the settings that its Kafka endpoint
-- needs are set by themselves.
--
-- EVENT_HUB_CONNECTION_STRING: Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...;EntityPath=...
-- EVENT_HUB_NAME: the hub, where the string has no EntityPath
-- START: earliest, or latest for what comes from now on
CREATE SERVER events FOREIGN DATA WRAPPER kafka
    OPTIONS (event_hub '${EVENT_HUB_NAME:-}', start '${START:-earliest}', on_lost_offsets 'error');
CREATE USER MAPPING FOR CURRENT_USER SERVER events OPTIONS (connection_string 'env:EVENT_HUB_CONNECTION_STRING');
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE:-./lake}');
