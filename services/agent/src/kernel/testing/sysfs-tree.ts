/** Builds a sysfs tree in a folder: for disks that the machine of the test does not have. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Keys are paths below the root. A value is the content of a file, or `{ link }` to a path below the root.
 * Every disk or partition given in `devices` (folder → `major:minor`) gets its `dev` file and the links by number and name.
 */
export function buildSysfsTree(
  root: string,
  devices: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string | { readonly link: string }>>,
): void {
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${content}\n`);
  };
  const link = (path: string, target: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(join(root, target), join(root, path));
  };
  for (const [folder, number] of Object.entries(devices)) {
    const name = folder.slice(folder.lastIndexOf('/') + 1);
    write(`${folder}/dev`, number);
    link(`dev/block/${number}`, folder);
    link(`class/block/${name}`, folder);
    if (!(`${folder}/partition` in files)) link(`block/${name}`, folder);
  }
  for (const [path, value] of Object.entries(files)) {
    if (typeof value === 'string') write(path, value);
    else link(path, value.link);
  }
}

/** What every request-based disk has. */
export function requestBasedDisk(folder: string, sectors = 41_943_040): Record<string, string> {
  return {
    [`${folder}/size`]: String(sectors),
    [`${folder}/mq/0/nr_tags`]: '256',
    [`${folder}/queue/logical_block_size`]: '512',
    [`${folder}/queue/zoned`]: 'none',
    [`${folder}/queue/iostats`]: '1',
    [`${folder}/hidden`]: '0',
    [`${folder}/diskseq`]: '7',
  };
}

/** What a disk without a queue of requests of its own has (device-mapper, md, a multipath head). */
export function stackedDisk(folder: string, sectors = 20_971_520): Record<string, string> {
  return {
    [`${folder}/size`]: String(sectors),
    [`${folder}/queue/logical_block_size`]: '512',
    [`${folder}/queue/zoned`]: 'none',
    [`${folder}/queue/iostats`]: '1',
    [`${folder}/hidden`]: '0',
  };
}
