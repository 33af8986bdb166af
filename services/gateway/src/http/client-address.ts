/**
 * Who is at the other end, by address. On the port with TLS it is whoever connected, whatever a header says. On the plain
 * port, which nothing but an ingress can reach, it is the one that the ingress saw: each proxy appends the address of
 * whoever came to it, so the entry that counts is as far from the right as there are proxies of ours. What stands further
 * left was written by the client, and can be anything.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';

/** `forwardedHops`: proxies before the plain port; 0: none is believed. */
export function clientAddress({ socket, headers }: IncomingMessage, forwardedHops: number): string {
  const peer = socket.remoteAddress ?? 'unknown';
  if (socket instanceof TLSSocket || forwardedHops === 0) return peer;
  // Node joins several of these headers by commas, in their order.
  const chain = String(headers['x-forwarded-for'] ?? '').split(',');
  return parseForwarded(chain.at(-forwardedHops)) ?? peer;
}

/** Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function parseForwarded(entry: string | undefined): string | null {
  const text = entry?.trim() ?? '';
  if (isIP(text) !== 0) return text;
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  return isIP(address) === 0 ? null : address;
}
