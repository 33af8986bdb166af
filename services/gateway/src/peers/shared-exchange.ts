/**
 * An exchange of exports over several gateways: the operator's GET may reach one, the replication server's PUT another.
 *
 * Situation: behind one address nobody knows which replica it gets, and affinity by address puts a whole site on one.
 * Mechanism: the gateway with the GET asks every other one to pass the upload on if it comes there, as long as it waits;
 * which others there are it asks DNS (a headless Service), again and again, so that one that starts meanwhile is asked too.
 * Special case: the PUT can be faster than that question; it is held for some seconds before it is refused.
 * Failure: as with one gateway, the loss of either end, or of either gateway, ends the export at both ends.
 */
import { randomUUID } from 'node:crypto';
import { LmsError, toLmsError } from '@lms/errors';
import type { GatewayService } from '@lms/proto';
import type { Handlers } from '@lms/rpc';
import { pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import { ExportExchange, type Receipt, type Upload } from '../export/export-exchange.ts';
import { awaitUpload, type AwaitedExport } from './await-upload.ts';
import { AwaitedUploads } from './awaited-uploads.ts';
import type { PeerClient, PeerDirectory } from './peer-directory.ts';

const FIND_MILLISECONDS = 500;
/** From the operation's being made to the question's reaching all others: some round trips, and one look at DNS. */
const HOLD_MILLISECONDS = 5_000;
const HOLD_POLL_MILLISECONDS = 20;

export class SharedExchange extends ExportExchange {
  readonly #directory: PeerDirectory;
  readonly #logger: Logger;
  readonly #gatewayId = randomUUID();
  readonly #awaited = new AwaitedUploads();

  constructor(directory: PeerDirectory, logger: Logger) {
    super();
    this.#directory = directory;
    this.#logger = logger;
  }

  /** What the other gateways call. */
  get handlers(): Handlers<typeof GatewayService> {
    return {
      awaitUpload: ({ operationId, gatewayId }, { peer, signal }) => {
        requireGateway(peer);
        if (gatewayId === this.#gatewayId) throw new LmsError('ALREADY_EXISTS', 'this is the gateway itself');
        return this.#awaited.await(operationId, signal);
      },
      confirmUpload: async (request, { peer }) => {
        requireGateway(peer);
        this.#awaited.confirm(request);
        return {};
      },
    };
  }

  override expect(operationId: string, receive: (upload: Upload) => Promise<Receipt>): Disposable {
    let claimed = false;
    const claim = (): boolean => !claimed && (claimed = true);
    const here = super.expect(operationId, (upload) => {
      if (claim()) return receive(upload);
      return Promise.reject(new LmsError('FAILED_PRECONDITION', `export ${operationId} is under way already`));
    });
    const over = new AbortController();
    const { signal } = over;
    void this.#askOthers({ operationId, gatewayId: this.#gatewayId, claim, receive, signal });
    return {
      [Symbol.dispose]: () => {
        here[Symbol.dispose]();
        over.abort(new LmsError('CANCELLED', 'the export is over'));
      },
    };
  }

  override async deliver(operationId: string, upload: Upload): Promise<Receipt> {
    const tooLate = AbortSignal.timeout(HOLD_MILLISECONDS);
    while (!this.waits(operationId) && !this.#awaited.has(operationId)) {
      if (upload.body.destroyed || !(await pause(HOLD_POLL_MILLISECONDS, tooLate))) break;
    }
    if (this.#awaited.has(operationId)) return this.#awaited.offer(operationId, upload);
    return super.deliver(operationId, upload);
  }

  async #askOthers(awaited: AwaitedExport): Promise<void> {
    const asked = new Set<string>();
    do {
      for (const [address, peer] of await this.#directory.find()) {
        if (asked.has(address) || awaited.signal.aborted) continue;
        asked.add(address);
        void this.#ask(peer, awaited).then((again) => {
          if (again) asked.delete(address);
        });
      }
    } while (await pause(FIND_MILLISECONDS, awaited.signal));
  }

  /** True when it may be asked again. */
  async #ask(peer: PeerClient, awaited: AwaitedExport): Promise<boolean> {
    try {
      await awaitUpload(peer, awaited);
      return false;
    } catch (thrown) {
      const { code, message } = toLmsError(thrown);
      if (awaited.signal.aborted || code === 'ALREADY_EXISTS') return false;
      this.#logger.debug({ code, operationId: awaited.operationId }, `another gateway does not wait: ${message}`);
      return true;
    }
  }
}

function requireGateway(peer: string): void {
  if (peer === 'gateway') return;
  throw new LmsError('PERMISSION_DENIED', `uploads are passed on to gateways, not to ${peer}`);
}
