# What the containers of this lab serve: one program for all namespaces. It reads lines of
# "NAMESPACE PID PROTOCOL ADDRESS PORT STATUS PROCESS" and says READY once all sockets are open.
import ctypes, os, selectors, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
DNS_ANSWER = sys.argv[1]


def enter(pid):
    """Moves this process into the network namespace that PID holds."""
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def http_or_echo(data, namespace, process, status, peer):
    """HTTP is answered with who served whom; anything else is sent back. None: the request is not complete."""
    if not (data[:1].isalpha() and b" HTTP/1." in data.split(b"\r\n", 1)[0]):
        return data
    if b"\r\n\r\n" not in data:
        return None
    body = f"served by {process} in {namespace}, for {peer[0]}:{peer[1]}\n"
    return (f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def dns(query):
    """One question is answered with one address (RFC 1035 section 4.1)."""
    question = query[12:]
    head = query[:2] + b"\x81\x00\x00\x01\x00\x01\x00\x00\x00\x00"
    return head + question + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04" + socket.inet_aton(DNS_ANSWER)


def serve_tcp(listener, namespace, process, status):
    def accept():
        connection, peer = listener.accept()
        received = bytearray()

        def read():
            nonlocal received
            try:
                data = connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                selector.unregister(connection)
                connection.close()
                return
            received += data
            answer = http_or_echo(bytes(received), namespace, process, status, peer)
            if answer is not None:
                received = bytearray()
                connection.sendall(answer)

        selector.register(connection, selectors.EVENT_READ, read)

    return accept


def serve_udp(sock, namespace, process, port):
    def answer():
        # The answer must leave with the address that was asked, also where a socket is bound to all of them.
        data, control, _, peer = sock.recvmsg(65536, 256)
        local = next((bytes(c[2])[4:8] for c in control if c[0] == 0 and c[1] == 8), b"\0\0\0\0")
        query = port == 53 and len(data) > 16 and not data[2] & 0x80 and data[4:6] == b"\0\1"
        reply = dns(data) if query else f"served by {process} in {namespace}, for {peer[0]}:{peer[1]}\n".encode()
        sock.sendmsg([reply], [(0, 8, b"\0\0\0\0" + local + b"\0\0\0\0")], 0, peer)

    return answer


selector = selectors.DefaultSelector()
for line in sys.stdin:
    namespace, pid, protocol, address, port, status, process = line.rstrip("\n").split("\t")
    enter(pid)
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, int(port)))
    if protocol == "tcp":
        sock.listen(1024)
        selector.register(sock, selectors.EVENT_READ, serve_tcp(sock, namespace, process, status))
    else:
        sock.setsockopt(0, 8, 1)  # IP_PKTINFO
        selector.register(sock, selectors.EVENT_READ, serve_udp(sock, namespace, process, int(port)))
print("READY", flush=True)
while True:
    for key, _ in selector.select():
        key.data()
