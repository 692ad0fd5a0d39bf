# Watches every device of every namespace while one command runs, then prints what crossed them, in the order of time.
# Standard input: lines "NAMESPACE PID". Arguments: SECONDS-TO-WAIT-AFTERWARDS JSON(0|1) COMMAND...
import ctypes, json, os, select, socket, struct, subprocess, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
settle, as_json, command = float(sys.argv[1]), sys.argv[2] == "1", sys.argv[3:]
OUTGOING, OTHER_HOST = 4, 3
SO_TIMESTAMPNS = 35
FLAGS = [(2, "SYN"), (16, "ACK"), (8, "PSH"), (1, "FIN"), (4, "RST"), (32, "URG")]
ICMP = {(0, 0): "echo-reply", (8, 0): "echo-request", (3, 0): "net-unreachable", (3, 1): "host-unreachable", (3, 2): "proto-unreachable",
        (3, 3): "port-unreachable", (3, 4): "frag-needed", (3, 13): "admin-prohibited", (11, 0): "ttl-exceeded", (5, 1): "redirect-host"}


def enter(pid):
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def watch(pid):
    """A socket that hears every frame of the namespace, and the names of its devices."""
    enter(pid)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    sock.setblocking(False)
    return sock, {index: name for index, name in socket.if_nameindex()}


def mac(raw):
    return ":".join(f"{octet:02x}" for octet in raw)


def flow(raw):
    """The IP packet in words, and its header fields that matter."""
    header, protocol = (raw[0] & 15) * 4, raw[9]
    src, dst = socket.inet_ntoa(raw[12:16]), socket.inet_ntoa(raw[16:20])
    body = raw[header:]
    offset = struct.unpack("!H", raw[6:8])[0] & 0x1FFF
    if offset == 0 and protocol in (6, 17, 132) and len(body) >= 4:
        ends = "{}:{}>{}:{}".format(src, struct.unpack("!H", body[:2])[0], dst, struct.unpack("!H", body[2:4])[0])
        if protocol == 6 and len(body) >= 14:
            data = struct.unpack("!H", raw[2:4])[0] - header - (body[12] >> 4) * 4
            names = "-".join(name for bit, name in FLAGS if body[13] & bit)
            return f"{names} {ends}" + (f" len{data}" if data > 0 else "")
        return f"{'udp' if protocol == 17 else 'sctp'} {ends}"
    if offset == 0 and protocol == 1 and len(body) >= 8:
        name = ICMP.get((body[0], body[1]), f"icmp{body[0]}/{body[1]}")
        return f"{name} {src}>{dst}" + (f" [{flow(body[8:])}]" if body[0] in (3, 5, 11) and len(body) >= 36 else "")
    return f"{protocol} {src}>{dst}"


def describe(frame):
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0806:
        operation, sender, target = struct.unpack("!H", frame[20:22])[0], socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42])
        text = f"arp who-has {target} tell {sender}" if operation == 1 else f"arp {sender} is-at {mac(frame[22:28])}"
        return {"pkt": text}
    if kind != 0x0800:
        return None
    ip = frame[14:]
    length, ident, fragment = struct.unpack("!HHH", ip[2:8])
    return {"pkt": flow(ip), "ttl": ip[8], "ipid": ident, "len": length, **({"df": True} if fragment & 0x4000 else {})}


own = os.open("/proc/self/ns/net", os.O_RDONLY)
watches = {}
for line in sys.stdin:
    namespace, pid = line.rstrip("\n").split("\t")
    watches[namespace] = watch(pid)
libc.setns(own, 0x40000000)

seen, running = [], True


def collect():
    order = 0
    while running:
        ready, _, _ = select.select([sock for sock, _ in watches.values()], [], [], 0.02)
        for namespace, (sock, names) in watches.items():
            if sock not in ready:
                continue
            while True:
                try:
                    frame, control, _, address = sock.recvmsg(65536, 256)
                except BlockingIOError:
                    break
                device, pkttype = address[0], address[2]
                stamp = next((struct.unpack("qq", data[:16]) for level, kind, data in control if kind == SO_TIMESTAMPNS), (0, 0))
                order += 1
                seen.append((stamp[0] * 1_000_000_000 + stamp[1], order, namespace, device, pkttype, frame))


collector = threading.Thread(target=collect)
collector.start()
outcome = subprocess.run(command, capture_output=True, text=True).stdout.strip()
time.sleep(settle)
running = False
collector.join()

hops = []
for stamp, _, namespace, device, pkttype, frame in sorted(seen, key=lambda entry: entry[:2]):
    what = describe(frame)
    if what is None:
        continue
    macs = {} if device == "lo" else {"mac": f"{mac(frame[6:12])}>{mac(frame[:6])}"}
    hops.append({"t": stamp, "ns": namespace, "if": device, "dir": "out" if pkttype == OUTGOING else "in", **what, **macs,
                 **({"otherhost": True} if pkttype == OTHER_HOST else {})})
if as_json:
    print(json.dumps({"outcome": outcome, "hops": hops}))
else:
    start = hops[0]["t"] if hops else 0
    for hop in hops:
        ttl = f" ttl {hop['ttl']}" if "ttl" in hop else ""
        print(f"{(hop['t'] - start) / 1000:10.1f} {hop['ns']:32} {hop['if']:15} {hop['dir']:3} {hop['pkt']}{ttl} {hop.get('mac', '')}")
    print(outcome)
