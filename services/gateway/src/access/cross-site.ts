/**
 * A page of somebody else must not make an operator's browser change anything here. Its cookie is not sent from other sites
 * (SameSite=Strict); besides, what changes something must carry a header that such a page cannot set without being allowed to,
 * and nobody is; and where the browser says which page asks, it must be one of ours.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { LmsError } from '@lms/errors';

/** Any value; the console sets it. */
const CONSOLE_HEADER = 'lms-console';
const CHANGES_NOTHING = new Set(['GET', 'HEAD']);

/** Of a request whose caller is known by a cookie. */
export function refuseCrossSite(method: string, headers: IncomingHttpHeaders): void {
  if (CHANGES_NOTHING.has(method)) return;
  const site = headers['sec-fetch-site'];
  if (headers[CONSOLE_HEADER] !== undefined && (site === undefined || site === 'same-origin')) return;
  throw new LmsError('PERMISSION_DENIED', 'only the console may change something with its cookie', {
    field: CONSOLE_HEADER,
    action: 'use the console, or send an API token in the Authorization header',
  });
}
