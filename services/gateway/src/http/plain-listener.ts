/**
 * The same routes without TLS, for an ingress that ends it in front: reachable by nothing else (a NetworkPolicy holds
 * that), since tokens pass in clear here. Only where it is asked for.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseListenAddress } from '../listen-address.ts';
import { HEADERS_TIMEOUT_MILLISECONDS, KEEP_ALIVE_MILLISECONDS, type Application } from './application.ts';
import { listenOn } from './listen.ts';

export interface PlainListener {
  readonly port: number;
  close(): Promise<void>;
}

/** After the application listens itself: it is ready then. */
export async function listenPlainly(application: Application, listen: string): Promise<PlainListener> {
  const address = parseListenAddress(listen);
  const server = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MILLISECONDS, headersTimeout: HEADERS_TIMEOUT_MILLISECONDS, requestTimeout: 0 },
    (request, response) => application.routing(request, response),
  );
  const port = await listenOn(server, address, () => once(server.listen(address.port, address.host), 'listening'));
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
