/** Routes that send content of which a part can be asked for (RFC 9110, `Range`): what they take, and what they say of it. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { requestedRange, type ByteRange } from './byte-range.ts';

export const RangeHeaders = z.object({
  range: z.string().max(256).optional().describe('one range; several are answered with the whole'),
  'if-range': z.string().max(256).optional(),
});

/** Null: the whole. A range behind the end is thrown, and the answer to it says how long the content is. */
export function rangeOf(
  { range, 'if-range': ifRange }: z.output<typeof RangeHeaders>,
  { etag, sizeBytes }: { readonly etag: string; readonly sizeBytes: number },
  reply: FastifyReply,
): ByteRange | null {
  try {
    return requestedRange({ range, ifRange }, etag, sizeBytes);
  } catch (error) {
    void reply.header('content-range', `bytes */${sizeBytes}`);
    throw error;
  }
}

/** How much comes, and from where. */
export function lengthHeaders(range: ByteRange | null, sizeBytes: number): Readonly<Record<string, string>> {
  if (range === null) return { 'accept-ranges': 'bytes', 'content-length': String(sizeBytes) };
  const { offsetBytes, lengthBytes } = range;
  return {
    'accept-ranges': 'bytes',
    'content-length': String(lengthBytes),
    'content-range': `bytes ${offsetBytes}-${offsetBytes + lengthBytes - 1}/${sizeBytes}`,
  };
}

/** RFC 9530: of the whole, also where a part is sent. */
export function reprDigest(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`;
}
