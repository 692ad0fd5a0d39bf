import type { Batch, Engine } from '../protocol/engine.ts';

/** What an engine can be asked; listeners and the end are the port's own affair. */
export type Method = Exclude<keyof Engine, 'onBatch' | 'dispose'>;

/** What crosses the worker boundary: plain data, every request answered once under its `id`. */
export type Request = { readonly [M in Method]: { readonly id: number; readonly method: M; readonly args: Parameters<Engine[M]> } }[Method];

export type Response =
  | { readonly id: number; readonly type: 'answer'; readonly value: Awaited<ReturnType<Engine[Method]>> }
  | { readonly id: number; readonly type: 'crash'; readonly message: string }
  | { readonly type: 'batch'; readonly batch: Batch };

/** The part of a Worker or MessagePort that both ends use. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}
