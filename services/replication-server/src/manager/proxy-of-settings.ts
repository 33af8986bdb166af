/** The proxy of the Replication Settings as this server uses it; null: none is set. INVALID_ARGUMENT when it cannot be used. */
import type { ReplicationServerSettings } from '@lms/api';
import { LmsError } from '@lms/errors';
import { ProxySettings, parseNoProxy, parseProxyUrl } from '@lms/proxy';

export function proxyOfSettings(told: ReplicationServerSettings['proxy']): ProxySettings | null {
  if (told === null) return null;
  const { username, caPem } = told;
  const parsed = ProxySettings.safeParse({
    url: parseProxyUrl(told.url),
    username,
    // The settings know users without a password, and passwords of users that are gone.
    password: username === null ? null : (told.password ?? ''),
    noProxy: parseNoProxy(told.noProxy.join(',')),
    caPem,
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LmsError('INVALID_ARGUMENT', `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(), {
    field: 'stagingProxy',
    action: 'Correct it: lms settings set.',
  });
}
