// Images as one file that `ctr images import` and `docker load` read: an OCI layout, with Docker's manifest beside it.
//
// Every layer is in it once, and not compressed: it is read on the same machine. The digest of such a layer is the one that
// the configuration of its image names, so nothing has to be computed anew.

import { createHash } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { requireCommand } from '../../test/harness/command.ts';
import type { Docker } from './docker.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIGURATION_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';

interface SavedImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export async function writeArchive(docker: Docker, names: readonly string[], path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const folder = mkdtempSync(`${path}.`);
  try {
    const saved = join(folder, 'saved');
    const layout = join(folder, 'layout');
    mkdirSync(saved);
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    await docker.pipe(`"$DOCKER" save ${names.join(' ')} | tar --extract --directory '${saved}'`);
    new Layout(layout, saved, await defaultRegistry(docker)).write();
    const written = join(folder, 'archive.tar');
    await requireCommand('tar', ['--create', '--sort=name', '--file', written, '--directory', layout, '.']);
    renameSync(written, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What completes a name without a host. containerd knows images by complete names only. */
async function defaultRegistry(docker: Docker): Promise<string> {
  const address = (await docker.run('info', '--format', '{{.IndexServerAddress}}')).trim();
  return new URL(address).hostname.replace(/^index\./, '');
}

class Layout {
  readonly #folder: string;
  readonly #saved: string;
  readonly #registry: string;

  constructor(folder: string, saved: string, registry: string) {
    this.#folder = folder;
    this.#saved = saved;
    this.#registry = registry;
  }

  write(): void {
    const images = JSON.parse(readFileSync(join(this.#saved, 'manifest.json'), 'utf8')) as SavedImage[];
    const manifests: object[] = [];
    const forDocker: object[] = [];
    for (const image of images) {
      const text = readFileSync(join(this.#saved, image.Config));
      const config = this.#blob(CONFIGURATION_TYPE, text);
      const layers = this.#layers(image, JSON.parse(text.toString()) as { rootfs: { diff_ids: string[] } });
      const manifest = this.#blob(
        MANIFEST_TYPE,
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers })),
      );
      for (const name of image.RepoTags)
        manifests.push({ ...manifest, annotations: { 'io.containerd.image.name': this.#completeName(name) } });
      forDocker.push({ Config: blobPath(config), RepoTags: image.RepoTags, Layers: layers.map(blobPath) });
    }
    this.#json('index.json', { schemaVersion: 2, manifests });
    this.#json('oci-layout', { imageLayoutVersion: '1.0.0' });
    this.#json('manifest.json', forDocker);
  }

  #layers(image: SavedImage, { rootfs }: { rootfs: { diff_ids: string[] } }): Descriptor[] {
    return image.Layers.map((layer, index) => {
      // A layer that another image has too is a symbolic link.
      const source = realpathSync(join(this.#saved, layer));
      const digest = rootfs.diff_ids[index];
      if (digest === undefined) throw new Error(`${image.RepoTags.join()}: more layers than its configuration names`);
      const descriptor = { mediaType: LAYER_TYPE, digest, size: statSync(source).size };
      const path = join(this.#folder, blobPath(descriptor));
      if (statSync(path, { throwIfNoEntry: false }) === undefined) linkSync(source, path);
      return descriptor;
    });
  }

  #blob(mediaType: string, content: Buffer): Descriptor {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    const descriptor = { mediaType, digest, size: content.length };
    writeFileSync(join(this.#folder, blobPath(descriptor)), content);
    return descriptor;
  }

  #completeName(name: string): string {
    const [first, ...rest] = name.split('/');
    const hasHost = rest.length > 0 && /[.:]|^localhost$/.test(first ?? '');
    return hasHost ? name : `${this.#registry}/${name}`;
  }

  #json(name: string, content: object): void {
    writeFileSync(join(this.#folder, name), JSON.stringify(content));
  }
}

function blobPath({ digest }: Descriptor): string {
  return `blobs/${digest.replace(':', '/')}`;
}
