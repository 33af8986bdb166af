/** Signing in to the console, and out of it. */
import { ConsoleSession, Empty, SignInRequest } from '@lms/api';
import { LmsError } from '@lms/errors';
import type { Authentication } from '../access/authentication.ts';
import { endOf, NO_CONSOLE_COOKIE, type ConsoleSessions } from '../access/console-session.ts';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';

interface SessionContext {
  readonly authentication: Authentication;
  readonly sessions: ConsoleSessions;
}

export function addSessionRoutes(application: Application, { authentication, sessions }: SessionContext): void {
  application.post(
    '/v1/session',
    {
      config: { access: 'anyone', signsIn: true },
      schema: {
        summary: 'Sign in to the console: an API token for a cookie',
        body: SignInRequest,
        response: answers(ConsoleSession),
      },
    },
    async ({ body, headers }, reply) => {
      // A page of somebody else must not sign a browser in as somebody that it has a token of.
      refuseOtherSites(headers['sec-fetch-site']);
      const caller = await authentication
        .authenticate({
          access: 'operator',
          authorization: `Bearer ${body.apiToken}`,
          sessionToken: null,
          withoutRegistry: false,
        })
        .catch((thrown: unknown) => {
          if (!(thrown instanceof LmsError) || thrown.code !== 'UNAUTHENTICATED') throw thrown;
          throw new LmsError('UNAUTHENTICATED', 'this API token is not accepted', {
            field: 'apiToken',
            action: 'look for a slip in it, or whether it was revoked',
            cause: thrown,
          });
        });
      const now = Date.now();
      reply.header('set-cookie', await sessions.cookieOf(body.apiToken, now, now));
      reply.header('cache-control', 'no-store');
      const name = caller.kind === 'operator' ? caller.name : '';
      return { name, endsAt: new Date(endOf(now)).toISOString() };
    },
  );

  application.get(
    '/v1/session',
    { config: { access: 'operator' }, schema: { summary: 'Who is signed in', response: answers(ConsoleSession) } },
    async ({ caller, consoleSession }, reply) => {
      if (caller.kind !== 'operator' || consoleSession === null) {
        throw new LmsError('UNAUTHENTICATED', 'nobody is signed in to the console here');
      }
      reply.header('cache-control', 'no-store');
      return { name: caller.name, endsAt: new Date(endOf(consoleSession.signedInAtMilliseconds)).toISOString() };
    },
  );

  application.delete(
    '/v1/session',
    // Whoever cannot be let in any more can sign out all the same.
    { config: { access: 'anyone' }, schema: { summary: 'Sign out of the console', response: answers(Empty) } },
    async ({ headers }, reply) => {
      refuseOtherSites(headers['sec-fetch-site']);
      reply.header('set-cookie', NO_CONSOLE_COOKIE);
      return {};
    },
  );
}

function refuseOtherSites(site: string | string[] | undefined): void {
  if (site === undefined || site === 'same-origin') return;
  throw new LmsError('PERMISSION_DENIED', 'only a page of this manager may ask for this');
}
