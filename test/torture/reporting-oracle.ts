/** An oracle that tells another process each thing that it learns, before anything that comes after can happen. */
import { CrashOracle } from '@lms/replication-server/store-test-support';

/** What changes an oracle. */
export const REPORTED_CALLS = [
  'disksAcknowledged',
  'sending',
  'asking',
  'markAcknowledged',
  'committing',
  'committed',
  'deleting',
  'deleted',
  'pinning',
  'pinChanged',
] as const;

export type ReportedCall = (typeof REPORTED_CALLS)[number];

export type Report = (call: ReportedCall | 'state', values: readonly unknown[]) => void;

export class ReportingOracle extends CrashOracle {
  #report: Report;

  constructor(disks: ConstructorParameters<typeof CrashOracle>[0], report: Report) {
    super(disks);
    this.#report = report;
  }

  override async checkOpened(
    ...values: Parameters<CrashOracle['checkOpened']>
  ): ReturnType<CrashOracle['checkOpened']> {
    const found = await super.checkOpened(...values);
    // What an opening showed is promised from then on.
    this.#report('state', [this.toState()]);
    return found;
  }

  override disksAcknowledged(store: { readonly digestKey: Uint8Array }): void {
    super.disksAcknowledged(store);
    this.#report('disksAcknowledged', [{ digestKey: [...store.digestKey] }]);
  }

  override sending(...values: Parameters<CrashOracle['sending']>): void {
    super.sending(...values);
    this.#report('sending', values);
  }

  override asking(...values: Parameters<CrashOracle['asking']>): void {
    super.asking(...values);
    this.#report('asking', values);
  }

  override markAcknowledged(): void {
    super.markAcknowledged();
    this.#report('markAcknowledged', []);
  }

  override committing(...values: Parameters<CrashOracle['committing']>): void {
    super.committing(...values);
    this.#report('committing', values);
  }

  /** Says more than the mark that it implies, and so must be told alone. */
  override committed(point: Parameters<CrashOracle['committed']>[0]): void {
    super.committed(point);
    this.#report('committed', [{ sequence: point.sequence, checkpointId: point.checkpointId }]);
  }

  override deleting(...values: Parameters<CrashOracle['deleting']>): void {
    super.deleting(...values);
    this.#report('deleting', values);
  }

  override deleted(...values: Parameters<CrashOracle['deleted']>): void {
    super.deleted(...values);
    this.#report('deleted', values);
  }

  override pinning(...values: Parameters<CrashOracle['pinning']>): void {
    super.pinning(...values);
    this.#report('pinning', values);
  }

  override pinChanged(...values: Parameters<CrashOracle['pinChanged']>): void {
    super.pinChanged(...values);
    this.#report('pinChanged', values);
  }
}
