# faye-websocket, jwt and the standard library's HTTP; see libraries.py.

require 'eventmachine'
require 'faye/websocket'
require 'json'
require 'jwt'
require 'net/http'

base, secret, room = ARGV
$stdout.sync = true

def report(**what) = puts(what.to_json)

claims = { sub: 'faye', exp: Time.now.to_i + 60, subscribe: [room], publish: [room] }
token = JWT.encode(claims, secret, 'HS256')
bearer = { 'Authorization' => "Bearer #{token}" }
address = "#{base.sub('http', 'ws')}/ws/#{room}"

EM.run do
  socket = Faye::WebSocket::Client.new(address, ['parlor.v1.json'], headers: bearer)
  socket.on :message do |message|
    event = JSON.parse(message.data)
    case event['type']
    when 'welcome' then report(name: event['you']['name'])
    when 'joined'
      report(joined: event['room'])
      socket.send({ type: 'publish', room: room, data: 'hello 茶' }.to_json)
    when 'message'
      report(heard: event['data'])
      socket.close(1000)
    end
  end
  socket.on(:close) { EM.stop }
end

uri = URI("#{base}/rooms/#{room}/events?last=1")
Net::HTTP.start(uri.host, uri.port, read_timeout: 20) do |http|
  text = String.new
  catch(:seen) do
    http.request(Net::HTTP::Get.new(uri, bearer)) do |response|
      response.read_body do |bytes|
        text << bytes
        found = text.match(/^data: ?(\{"type":"message".*\})\n/)
        next unless found

        report(event: JSON.parse(found[1].force_encoding('UTF-8'))['data'])
        throw :seen
      end
    end
  end
end

EM.run do
  socket = Faye::WebSocket::Client.new(address, [], headers: bearer)
  socket.on(:open) { socket.send('plainly') }
  socket.on :message do |message|
    report(plain: message.data)
    socket.send('x' * 5000)
  end
  socket.on :close do |event|
    report(closed: event.code, reason: event.reason)
    EM.stop
  end
end
