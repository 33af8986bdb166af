/**
 * Port 0 means "any that is free"; but whoever was told the port of before the restart still knocks there. So the port of
 * before is taken again while nobody else has it. (Between this look and the listening somebody may take it: then the
 * start fails, and the next one finds another.)
 */
import { createServer } from 'node:net';

/** `previousPort` when it is free on `host`; else 0. */
export async function keepPort(host: string, previousPort: number | null): Promise<number> {
  if (previousPort === null) return 0;
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.once('error', () => resolve(0));
  server.listen(previousPort, host, () => server.close(() => resolve(previousPort)));
  return promise;
}
