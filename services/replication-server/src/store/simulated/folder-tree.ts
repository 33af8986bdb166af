/**
 * Folders as the kernel shows them, and as the medium has them.
 *
 * Every create, rename and removal is one change. It is durable when its folder was synced; at a power cut each change
 * that was not is kept or dropped by itself, in any combination. A rename is one change: journaling file systems keep
 * both halves or none, and the store relies on that (and on nothing more).
 */
import type { FileNode } from './file-node.ts';
import type { Fate, Random } from './file-node.ts';

export class FolderNode {
  readonly kind = 'folder';
  entries = new Map<string, TreeNode>();
  /** What the medium has, with the number of the change that put it there; null: taken away. */
  readonly durable = new Map<string, { readonly change: number; readonly node: TreeNode | null }>();
}

export type TreeNode = FileNode | FolderNode;

interface Change {
  readonly number: number;
  /** The folder whose sync makes it durable: for a rename, the one that it leads to. */
  readonly folder: FolderNode;
  readonly sets: readonly { readonly folder: FolderNode; readonly name: string; readonly node: TreeNode | null }[];
}

export class FolderTree {
  readonly root = new FolderNode();
  #pending: Change[] = [];
  #lastChange = 0;

  /** Null when there is nothing of that name. */
  find(path: string): TreeNode | null {
    let node: TreeNode = this.root;
    for (const name of parts(path)) {
      if (node.kind !== 'folder') return null;
      const next: TreeNode | undefined = node.entries.get(name);
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  set(folder: FolderNode, name: string, node: TreeNode | null): void {
    this.#apply(folder, [{ folder, name, node }]);
  }

  rename(from: FolderNode, fromName: string, to: FolderNode, toName: string, node: TreeNode): void {
    this.#apply(to, [
      { folder: from, name: fromName, node: null },
      { folder: to, name: toName, node },
    ]);
  }

  sync(folder: FolderNode): void {
    this.#pending = this.#pending.filter((change) => {
      if (change.folder !== folder) return true;
      makeDurable(change);
      return false;
    });
  }

  powerCut(random: Random, fate: Fate): void {
    for (const change of this.#pending) if (random() < fate.keep) makeDurable(change);
    this.#pending = [];
    const visit = (folder: FolderNode): void => {
      folder.entries = new Map();
      for (const [name, { node }] of folder.durable) {
        if (node === null) continue;
        folder.entries.set(name, node);
        if (node.kind === 'folder') visit(node);
      }
    };
    visit(this.root);
  }

  /** Every file that can be reached, once. */
  files(from: TreeNode = this.root, found = new Set<FileNode>()): Set<FileNode> {
    if (from.kind === 'file') found.add(from);
    else for (const node of from.entries.values()) this.files(node, found);
    return found;
  }

  #apply(folder: FolderNode, sets: Change['sets']): void {
    this.#lastChange += 1;
    for (const { folder: at, name, node } of sets) {
      if (node === null) at.entries.delete(name);
      else at.entries.set(name, node);
    }
    this.#pending.push({ number: this.#lastChange, folder, sets });
  }
}

function makeDurable(change: Change): void {
  for (const { folder, name, node } of change.sets) {
    // A later change of the same name that is durable already wins.
    if ((folder.durable.get(name)?.change ?? 0) < change.number)
      folder.durable.set(name, { change: change.number, node });
  }
}

export function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}
