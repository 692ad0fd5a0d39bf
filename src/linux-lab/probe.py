# One probe: tries one thing and prints how it ended, the kind first: connected, refused, unreachable, timeout, http.
# Arguments: PROTOCOL ADDRESS PORT HOST PATH SOURCE-PORT[,SOURCE-PORT...] SECONDS; from each source port it tries once.
import errno, os, socket, struct, sys, time

protocol, address, port, host, path, source_ports, seconds = sys.argv[1:]
port, seconds = int(port), float(seconds)
UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EPERM, errno.EINVAL, errno.EACCES, errno.EMSGSIZE, errno.ENOPROTOOPT}


class Done(Exception):
    pass


def done(kind, detail=""):
    print(f"{kind} {detail}".rstrip(), flush=True)
    raise Done


def failed(error):
    if isinstance(error, socket.timeout) or error.errno == errno.ETIMEDOUT:
        done("timeout", f"no answer from {address}:{port} within {seconds:g} s")
    name = errno.errorcode.get(error.errno, str(error.errno))
    done("unreachable" if error.errno in UNREACHABLE else "refused", f"{address}:{port} {name}")


def tcp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(seconds)
    sock.bind(("", source_port))
    sock.connect((address, port))
    if protocol == "tcp":
        sock.close()
        done("connected", f"{address}:{port}")
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: curl\r\nAccept: */*\r\n\r\n".encode())
    answer = b""
    while True:
        data = sock.recv(65536)
        answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        if not data or (b"\r\n\r\n" in answer and len(body) >= length):
            break
    sock.close()
    if not answer:
        done("refused", "the server closed the connection before it answered")
    done("http", answer.split(b"\r\n", 1)[0].decode().split(" ", 1)[1] + " " + body.decode(errors="replace").strip())


def dns_query(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(seconds)
    sock.bind(("", source_port))
    sock.connect((address, port))
    sock.send(dns_query("kubernetes.default.svc.cluster.local") if port == 53 else b"hello")
    answer = sock.recv(65536)
    done("connected", f"{address}:{port} answered with {len(answer)} octets")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping():
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setsockopt(0, 10, 2)  # IP_MTU_DISCOVER = IP_PMTUDISC_DO
    ident = os.getpid() & 0xFFFF
    echo = struct.pack("!BBHHH", 8, 0, 0, ident, 1) + b"\x5a" * 56
    sock.sendto(echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:], (address, 0))
    end = time.monotonic() + seconds
    while True:
        sock.settimeout(max(0.001, end - time.monotonic()))
        packet, (peer, _) = sock.recvfrom(65536)
        icmp = packet[(packet[0] & 15) * 4 :]
        if icmp[0] == 0 and struct.unpack("!H", icmp[4:6])[0] == ident:
            done("connected", f"{peer} replied with TTL {packet[8]}")
        if icmp[0] in (3, 11):
            quote = icmp[8:]
            inner = quote[(quote[0] & 15) * 4 :]
            if len(inner) >= 6 and struct.unpack("!H", inner[4:6])[0] == ident:
                done("unreachable", f"{peer} says ICMP type {icmp[0]} code {icmp[1]}")


for text in source_ports.split(","):
    source_port = int(text)
    try:
        try:
            {"tcp": tcp, "http": tcp, "udp": udp, "icmp": ping}[protocol]()
        except OSError as error:
            failed(error)
    except Done:
        pass
