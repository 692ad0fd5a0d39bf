/** Whether the person asked their system for less motion: travel is shown as highlighted steps then. */
export const prefersStillness = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;
