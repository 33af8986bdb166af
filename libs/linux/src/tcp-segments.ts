/** Sockets with options that Node has no call for: the size of segments, and what the kernel knows of a path. */
import { closeSync } from 'node:fs';
import { Socket, isIP } from 'node:net';
import { declareSystemCall } from './c-library.ts';
import { SystemError } from './system-error.ts';

const socketCall = declareSystemCall('int socket(int domain, int type, int protocol)');
const connectCall = declareSystemCall('int connect(int fd, const void *address, uint length)');
const setOption = declareSystemCall('int setsockopt(int fd, int level, int name, const void *value, uint length)');
const getOption = declareSystemCall('int getsockopt(int fd, int level, int name, void *value, void *length)');

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
const IPPROTO_IP = 0;
const IP_MTU = 14;
const IPPROTO_TCP = 6;
const TCP_MAXSEG = 2;
const IPPROTO_IPV6 = 41;
const IPV6_MTU = 24;
const EINPROGRESS = 115;

export interface SegmentedConnection {
  readonly address: string;
  readonly port: number;
  /** Neither end sends longer segments on this connection. */
  readonly maximumSegmentBytes: number;
  readonly timeoutMilliseconds: number;
}

/** A TCP connection of small segments. Throws a `SystemError`: ETIMEDOUT when nothing answered in time. */
export async function connectWithSegments(options: SegmentedConnection): Promise<Socket> {
  const { address, port, maximumSegmentBytes, timeoutMilliseconds } = options;
  const family = isIP(address) === 6 ? AF_INET6 : AF_INET;
  const fileDescriptor = socketCall.run('socket', family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try {
    const timeout = new BigInt64Array([
      BigInt(Math.floor(timeoutMilliseconds / 1_000)),
      BigInt((timeoutMilliseconds % 1_000) * 1_000),
    ]);
    option(fileDescriptor, SOL_SOCKET, SO_SNDTIMEO, new Uint8Array(timeout.buffer), 'SO_SNDTIMEO');
    const size = new Uint8Array(new Int32Array([maximumSegmentBytes]).buffer);
    option(fileDescriptor, IPPROTO_TCP, TCP_MAXSEG, size, 'TCP_MAXSEG');
    const target = socketAddress(address, port);
    await connectCall.runAsync(`connecting to ${address}`, fileDescriptor, target, target.byteLength);
    return new Socket({ fd: fileDescriptor, allowHalfOpen: true });
  } catch (thrown) {
    closeSync(fileDescriptor);
    const late = thrown instanceof SystemError && thrown.errno === EINPROGRESS;
    throw late ? Object.assign(new Error(`connecting to ${address}: no answer`), { code: 'ETIMEDOUT' }) : thrown;
  }
}

/** What the kernel knows of the largest packet on the way there, ICMP heard so far included. Nothing is sent for it. */
export function pathMtuBytes(address: string, port: number): number {
  const isSix = isIP(address) === 6;
  const fileDescriptor = socketCall.run('socket', isSix ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    const target = socketAddress(address, port);
    connectCall.run(`route to ${address}`, fileDescriptor, target, target.byteLength);
    const value = new Int32Array(1);
    const length = new Uint32Array([value.byteLength]);
    const [level, name] = isSix ? [IPPROTO_IPV6, IPV6_MTU] : [IPPROTO_IP, IP_MTU];
    getOption.run('IP_MTU', fileDescriptor, level, name, new Uint8Array(value.buffer), new Uint8Array(length.buffer));
    return value[0] ?? 0;
  } finally {
    closeSync(fileDescriptor);
  }
}

function option(fileDescriptor: number, level: number, name: number, value: Uint8Array, what: string): void {
  setOption.run(what, fileDescriptor, level, name, value, value.byteLength);
}

/** `sockaddr_in` or `sockaddr_in6`: the family in the order of the machine, the port in that of the network. */
function socketAddress(address: string, port: number): Uint8Array {
  const isSix = isIP(address) === 6;
  const bytes = Buffer.alloc(isSix ? 28 : 16);
  bytes.writeUInt16LE(isSix ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  if (isSix) bytes.set(bytesOfSix(address), 8);
  else bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

/** The URL parser writes every form of an IPv6 address as eight groups or fewer with one `::`. */
function bytesOfSix(address: string): Uint8Array {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const middle = tail === undefined ? [] : Array.from({ length: 8 - first.length - last.length }, () => 0);
  return new Uint8Array([...first, ...middle, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}
