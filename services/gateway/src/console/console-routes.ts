/** The console: files without a build step, under a policy that lets a page run and load nothing but these files. */
import type { Application } from '../http/application.ts';
import { readConsoleFiles, type ConsoleFile } from './console-files.ts';

const START_PAGE = 'index.html';

const SECURITY_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  // Asked for each time, and not sent again while it is the same.
  'cache-control': 'no-cache',
} as const;

export async function addConsoleRoutes(application: Application): Promise<void> {
  const options = { config: { access: 'anyone' }, schema: { hide: true } } as const;
  for (const path of ['/', '/console']) {
    application.get(path, options, async (_request, reply) => reply.redirect('/console/'));
  }
  const serve = (url: string, file: ConsoleFile): void => {
    application.get(url, options, async ({ headers }, reply) => {
      reply.headers(SECURITY_HEADERS).header('etag', file.etag);
      if (headers['if-none-match'] === file.etag) return reply.code(304).send();
      return reply.type(file.mediaType).send(file.body);
    });
  };
  for (const file of await readConsoleFiles()) {
    serve(`/console/${file.path}`, file);
    if (file.path === START_PAGE) serve('/console/', file);
  }
}
