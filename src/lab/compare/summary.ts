import type { Step } from './steps.ts';

/** What a mode does with the packet, in its column's head. */
export interface Summary {
  /** Where an endpoint is chosen. */
  readonly choice: string;
  /** Where it is decided whether the packet is masqueraded, and where that is done. */
  readonly masquerade: string;
}

export function summaryOf(steps: readonly Step[]): Summary {
  const chooses = steps.find((step) => step.chooses);
  const marks = steps.find((step) => step.marks);
  const masquerades = steps.find((step) => step.masquerades);
  return {
    choice: chooses ? `${chooses.label}, ${chooses.by}` : 'nothing to choose for this packet',
    masquerade: masquerades
      ? `${marks && marks !== masquerades ? `decided in ${marks.label}, ` : ''}done in ${masquerades.label}`
      : 'not needed',
  };
}
