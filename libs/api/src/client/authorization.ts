/** The two ways to say who is asking: an operator's API token, or an access token got with the own key and certificate. */
import type { Authorization } from './api-client.ts';

export function operatorAuthorization(apiToken: string): Authorization {
  return { header: () => Promise.resolve(`Bearer ${apiToken}`), reject: () => false };
}

/** An access token is fetched anew when this much of its life is left: longer than any request but an export takes to arrive. */
const RENEW_BEFORE_MILLISECONDS = 30_000;

export interface AccessToken {
  readonly accessToken: string;
  readonly expiresAt: string;
}

/** Fetches an access token when there is none that lasts; callers at the same time share one fetch. */
export function accessTokenAuthorization(fetchToken: (signal: AbortSignal) => Promise<AccessToken>): Authorization {
  let current: { header: string; lastsUntil: number } | null = null;
  let fetching: Promise<string> | null = null;

  const renew = async (signal: AbortSignal): Promise<string> => {
    // The manager's clock may differ from ours: a token that is past its time here is tried, and a 401 mends it.
    const token = await fetchToken(signal);
    const header = `Bearer ${token.accessToken}`;
    current = { header, lastsUntil: Date.parse(token.expiresAt) - RENEW_BEFORE_MILLISECONDS };
    return header;
  };

  return {
    async header(signal) {
      if (current !== null && Date.now() < current.lastsUntil) return current.header;
      // When the caller that fetches gives up, the others try for themselves.
      if (fetching !== null) {
        try {
          return await fetching;
        } catch (error) {
          if (signal.aborted) throw error;
          return renew(signal);
        }
      }
      fetching = renew(signal).finally(() => {
        fetching = null;
      });
      return fetching;
    },
    reject() {
      current = null;
      return true;
    },
  };
}
