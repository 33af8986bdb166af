/** A service that cannot start. */
import { LmsError } from '@lms/errors';
import { HEALTHY, runMain } from '@lms/service';

await runMain('failing', () => ({
  name: 'failing',
  start: () => Promise.reject(new LmsError('UNAUTHENTICATED', 'the token is used up', { action: 'Make another.' })),
  stop: () => Promise.resolve(),
  health: () => HEALTHY,
}));
