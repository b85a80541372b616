-- The peer `haproxy`: echo or lines as Lua services for TCP.
-- A service can read a line, or so many bytes, but not "what is there": echo is told the size of its messages.
local size = tonumber(os.getenv("PEER_MESSAGE_BYTES"))

core.register_service("echo", "tcp", function(applet)
    while true do
        local data = applet:receive(size)
        if not data or #data == 0 then return end
        applet:send(data)
    end
end)

core.register_service("line", "tcp", function(applet)
    while true do
        local line = applet:getline()
        if not line or #line == 0 then return end
        applet:send(line:upper())
    end
end)
