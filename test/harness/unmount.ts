import { requireCommand } from './command.ts';
import { waitFor } from './condition.ts';

/** Waits while it is busy: an agent that freezes, or a process that is just ending, has it open for a moment. */
export async function unmount(folder: string): Promise<void> {
  await waitFor(`${folder} to be unmounted`, async () => {
    await requireCommand('umount', [folder]);
    return true;
  });
}
