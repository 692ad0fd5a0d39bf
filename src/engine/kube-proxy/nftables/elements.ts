import { assert } from '../../../base/assert.ts';
import type { Command, Element } from '../../netfilter/nftables/model.ts';
import type { WantedElement } from './service-commands.ts';
import type { ElementContainer } from './setup.ts';

interface Present {
  readonly element: Element;
  readonly valueText: string;
}

interface Entry {
  present: Present;
  /** Service ports that want this key. Nearly always one; it is several where ports share an address. */
  readonly wantedBy: Map<string, Present>;
}

/**
 * The elements of the shared sets and maps as they are in the kernel, and who wants them, so that a sync
 * writes differences only (nftElementStorage in pkg/proxy/nftables/proxier.go).
 */
export class Elements {
  readonly #entries = new Map<string, Entry>();

  /** Sees to it that an element is there. One with the same key and another value is replaced. */
  ensure(owner: string, wanted: WantedElement, commands: Command[]): void {
    const id = idOf(wanted);
    const entry = this.#entries.get(id);
    const present: Present = { element: wanted.element, valueText: wanted.valueText };
    if (entry === undefined) {
      this.#entries.set(id, { present, wantedBy: new Map([[owner, present]]) });
      commands.push({ type: 'addElement', set: wanted.container, element: wanted.element });
      return;
    }
    entry.wantedBy.set(owner, present);
    if (entry.present.valueText !== wanted.valueText) replace(entry, present, wanted.container, commands);
  }

  /** An element that its owner no longer wants goes, unless another owner wants the same key. */
  release(owner: string, wanted: WantedElement, commands: Command[]): void {
    const id = idOf(wanted);
    const entry = this.#entries.get(id);
    assert(entry !== undefined, 'what is released was wanted');
    entry.wantedBy.delete(owner);
    const other = [...entry.wantedBy.values()].at(-1);
    if (other === undefined) {
      this.#entries.delete(id);
      commands.push({ type: 'deleteElement', set: wanted.container, element: { key: entry.present.element.key } });
    } else if (other.valueText !== entry.present.valueText) replace(entry, other, wanted.container, commands);
  }

  clear(): void {
    this.#entries.clear();
  }
}

function replace(entry: Entry, by: Present, container: ElementContainer, commands: Command[]): void {
  commands.push({ type: 'deleteElement', set: container, element: { key: entry.present.element.key } });
  commands.push({ type: 'addElement', set: container, element: by.element });
  entry.present = by;
}

export const idOf = (wanted: WantedElement): string => `${wanted.container} ${wanted.keyText}`;
