# Mojolicious and Crypt::JWT; see libraries.py.

use Mojo::Base -strict;
use Mojo::JSON qw(decode_json encode_json false);
use Mojo::UserAgent;
use Crypt::JWT qw(encode_jwt);

my ($base, $secret, $room) = @ARGV;
$| = 1;

sub report { say encode_json({@_}) }

my %claims = (sub => 'mojolicious', exp => time + 60, subscribe => [$room], publish => [$room]);
my $token = encode_jwt(payload => \%claims, alg => 'HS256', key => $secret);
my %bearer = (Authorization => "Bearer $token");
my $agent = Mojo::UserAgent->new(inactivity_timeout => 20);

sub failed { my ($what) = @_; report(failed => $what); exit 1 }

sub say_and_hear {
    $agent->websocket("$base/ws/$room" => {%bearer} => ['parlor.v1.json'] => sub {
        my ($agent, $tx) = @_;
        failed('no WebSocket') unless $tx->is_websocket;
        $tx->on(json => sub {
            my ($tx, $event) = @_;
            my $type = $event->{type};
            report(name => $event->{you}{name}) if $type eq 'welcome';
            if ($type eq 'joined') {
                report(joined => $event->{room});
                $tx->send({json => {type => 'publish', room => $room, data => "hello \x{8336}"}});
            }
            if ($type eq 'message') {
                report(heard => $event->{data});
                $tx->on(finish => sub { follow() });
                $tx->finish;
            }
        });
    });
}

sub follow {
    my $tx = $agent->build_tx(GET => "$base/rooms/$room/events?last=1" => {%bearer});
    my $text = '';
    $tx->res->content->unsubscribe('read')->on(read => sub {
        my ($content, $bytes) = @_;
        $text .= $bytes;
        if ($text =~ /^data: ?(\{"type":"message".*\})\n/m) {
            report(event => decode_json($1)->{data});
            $content->unsubscribe('read');
            break_rule();
        }
    });
    $agent->start($tx => sub { });
}

sub break_rule {
    $agent->websocket("$base/ws/$room" => {%bearer} => sub {
        my ($agent, $tx) = @_;
        failed('no WebSocket') unless $tx->is_websocket;
        $tx->on(text => sub {
            my ($tx, $bytes) = @_;
            report(plain => $bytes);
            $tx->send('x' x 5000);
        });
        $tx->on(finish => sub {
            my ($tx, $code, $reason) = @_;
            report(closed => $code, reason => $reason);
            Mojo::IOLoop->stop;
        });
        $tx->send('plainly');
    });
}

say_and_hear();
Mojo::IOLoop->start;
