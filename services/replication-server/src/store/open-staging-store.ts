/**
 * Opens one machine's staging folder: chooses the form at the first opening, recovers at every other.
 *
 * After a `kill -9` the page cache shows renames that the medium may not have yet. So both folders whose entries say
 * what was promised are synced before anything is told or cleaned up (R12, R18).
 */
import { createDigester } from '@lms/block-stream';
import { toLmsError } from '@lms/errors';
import type { StoreForm } from './form.ts';
import { JournalForm } from './journal/journal-form.ts';
import { SILENT_LOGGER } from './logger.ts';
import type { StoreLogger } from './logger.ts';
import { MachineDisks } from './machine-disks.ts';
import { CLEAN_FILE, MachineStore } from './machine-store.ts';
import { PointCatalogue } from './point/point-catalogue.ts';
import { markOf } from './point/point-manifest.ts';
import { PointPins } from './point/point-pins.ts';
import { ensureDigestKey } from './record/digest-key.ts';
import { MACHINE_RECORD, machineRecordSchema } from './record/machine-record.ts';
import type { MachineRecord } from './record/machine-record.ts';
import { MARK_RECORD, laterMark, markRecordSchema } from './record/mark-record.ts';
import { readRecord } from './record/record.ts';
import { ReflinkForm } from './reflink/reflink-form.ts';
import { SpaceFloor } from './space/space-floor.ts';
import type { StagingStore } from './staging-store.ts';
import type { StoreFileSystem } from './store-file-system.ts';
import { SyncGuard } from './sync-guard.ts';

export interface OpenStagingStoreOptions {
  /** The machine's folder; nobody else may work in it. */
  readonly fileSystem: StoreFileSystem;
  /** Free bytes that writes leave. Default: the larger of 2 % of the file system and 512 MiB. */
  readonly floorBytes?: number | null;
  readonly logger?: StoreLogger;
}

const FOLDERS = { reflink: ['points', 'work'], journal: ['points', 'base', 'segments', 'current'] } as const;

export async function openStagingStore(options: OpenStagingStoreOptions): Promise<StagingStore> {
  const guard = new SyncGuard();
  try {
    return await open(options, guard);
  } catch (thrown) {
    await guard.closeAll();
    throw toLmsError(thrown, 'Opening the staging store');
  }
}

async function open(options: OpenStagingStoreOptions, guard: SyncGuard): Promise<StagingStore> {
  const files = guard.guard(options.fileSystem);
  const logger = options.logger ?? SILENT_LOGGER;
  const known = await readRecord(files, MACHINE_RECORD, machineRecordSchema);
  const digestKey = await ensureDigestKey(files, known === null);
  const record = known ?? (await newRecord(files));
  for (const folder of FOLDERS[record.form]) await files.makeFolder(folder);
  const isClean = await files.exists(CLEAN_FILE);
  await files.removeFile(CLEAN_FILE);
  await files.syncFolder('', 'open.root-folder');

  const digester = createDigester(digestKey);
  const points = new PointCatalogue(files);
  await points.open();
  const pins = new PointPins(files);
  await pins.open();
  const form: StoreForm =
    record.form === 'reflink' ? new ReflinkForm(files, digester) : new JournalForm(files, digester, points, logger);
  const recovered = await form.open(record.disks, isClean);
  const marked = await readRecord(files, MARK_RECORD, markRecordSchema);
  const newest = points.newest;
  const lastMark = laterMark(laterMark(marked, recovered), newest === null ? null : markOf(newest));
  logger.info({ form: record.form, isClean, points: points.all.length, lastMark }, 'Staging store opened');
  return new MachineStore({
    files,
    guard,
    digestKey,
    digester,
    form,
    disks: new MachineDisks(files, record),
    points,
    pins,
    floor: new SpaceFloor(files, options.floorBytes ?? null),
    lastMark,
    logger,
  });
}

/** Written with the machine's first disks: until then there is nothing to remember. */
async function newRecord(files: StoreFileSystem): Promise<MachineRecord> {
  return { schemaVersion: 1, form: (await files.canClone()) ? 'reflink' : 'journal', nextSlot: 0, disks: [] };
}
