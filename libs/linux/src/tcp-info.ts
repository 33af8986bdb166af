/** What the kernel knows about a TCP connection: `struct tcp_info` of linux/tcp.h, whose fields have kept their places since 4.9. */
import { declareSystemCall } from './c-library.ts';

const getOption = declareSystemCall('int getsockopt(int fd, int level, int name, void *value, void *length)');

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** Up to and including `tcpi_delivery_rate`. */
const NEEDED_BYTES = 168;

export interface TcpInfo {
  /** Smoothed. */
  readonly roundTripMicroseconds: number;
  readonly maximumSegmentBytes: number;
  /** Of ours, that have arrived at the other end. */
  readonly acknowledgedBytes: number;
  readonly retransmittedSegments: number;
}

/** Of a connected socket. */
export function readTcpInfo(fileDescriptor: number): TcpInfo {
  const value = new DataView(new ArrayBuffer(NEEDED_BYTES));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, NEEDED_BYTES, true);
  const bytes = (view: DataView): Uint8Array => new Uint8Array(view.buffer);
  getOption.run('TCP_INFO', fileDescriptor, IPPROTO_TCP, TCP_INFO, bytes(value), bytes(length));
  return {
    maximumSegmentBytes: value.getUint32(16, true),
    roundTripMicroseconds: value.getUint32(68, true),
    retransmittedSegments: value.getUint32(100, true),
    acknowledgedBytes: Number(value.getBigUint64(120, true)),
  };
}
