/** The machines' staging stores on the real file system: one folder each. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toLmsError } from '@lms/errors';
import { fsyncFolder } from '@lms/linux';
import { FolderFileSystem } from './store/folder/folder-file-system.ts';
import type { StoreLogger } from './store/logger.ts';
import { openStagingStore } from './store/open-staging-store.ts';
import { SpaceFloor } from './store/space/space-floor.ts';
import type { StagingStore } from './store/staging-store.ts';

/**
 * Room above the floor that a full store must see before it goes on: a few seconds of writing, so that it does not fill up
 * again with the first frame.
 */
const ROOM_TO_GO_ON_BYTES = 64 * 1024 * 1024;

/** `floorBytes`: free space to be left; null for the default. */
export async function openMachineStore(
  folder: string,
  floorBytes: number | null,
  logger: StoreLogger,
): Promise<StagingStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // R12: a point in a folder that power loss takes away is no point.
  await fsyncFolder(dirname(folder));
  return openStagingStore({ fileSystem: await FolderFileSystem.open(folder), floorBytes, logger });
}

export async function stagingHasRoom(folder: string, floorBytes: number | null): Promise<boolean> {
  const floor = new SpaceFloor(await FolderFileSystem.open(folder), floorBytes);
  try {
    await floor.require(ROOM_TO_GO_ON_BYTES);
    return true;
  } catch (thrown) {
    if (toLmsError(thrown).code === 'STAGING_FULL') return false;
    throw thrown;
  }
}
