import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, foldGutter, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { EditorState, StateEffect, StateField } from '@codemirror/state';
import { Decoration, drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { type Ref, useEffect, useImperativeHandle, useRef } from 'react';

export interface EditorHandle {
  goTo(line: number, column: number): void;
}

interface EditorProps {
  readonly ref: Ref<EditorHandle>;
  /** What it holds, for those who do not see it. */
  readonly label: string;
  readonly language: 'yaml' | 'plain';
  readonly text: string;
  /** Lines that something is wrong with, from 1. */
  readonly marked?: readonly number[];
  readonly onChange: (text: string) => void;
  readonly onApply: () => void;
}

const NONE: readonly number[] = [];
const mark = StateEffect.define<readonly number[]>();
const MARKED_LINE = Decoration.line({ class: 'cm-marked' });

/** The marked lines; they move with the text, until others are marked. */
const MARKS = StateField.define({
  create: () => Decoration.none,
  update(marks, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(mark)) continue;
      const { doc } = transaction.state;
      const lines = [...new Set(effect.value)].filter((line) => line >= 1 && line <= doc.lines).sort((a, b) => a - b);
      return Decoration.set(lines.map((line) => MARKED_LINE.range(doc.line(line).from)));
    }
    return marks.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--okabe-blue)' },
  { tag: [tags.string, tags.content], color: 'var(--text)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--okabe-purple)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: [tags.separator, tags.punctuation, tags.meta], color: 'var(--muted)' },
]);

const LOOK = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--surface)', color: 'var(--text)', fontSize: '13px' },
  '&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
  '.cm-content': { caretColor: 'var(--text)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--raised)', color: 'var(--muted)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--accent) 9%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent)',
  },
  '.cm-marked': {
    backgroundColor: 'color-mix(in srgb, var(--okabe-vermillion) 16%, transparent)',
    boxShadow: 'inset 3px 0 0 var(--okabe-vermillion)',
  },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)' },
});

export function Editor({ ref, label, language, text, marked = NONE, onChange, onApply }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const calls = useRef({ onChange, onApply });
  calls.current = { onChange, onApply };
  const first = useRef({ label, language, text });

  useEffect(() => {
    if (!host.current) return;
    const apply = (): boolean => {
      calls.current.onApply();
      return true;
    };
    const made = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: first.current.text,
        extensions: [
          lineNumbers(),
          foldGutter(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          ...(first.current.language === 'yaml' ? [yaml(), syntaxHighlighting(COLOURS)] : []),
          MARKS,
          LOOK,
          EditorView.contentAttributes.of({ 'aria-label': first.current.label, tabindex: '0' }),
          keymap.of([{ key: 'Mod-Enter', run: apply }, ...defaultKeymap, ...historyKeymap, ...searchKeymap, indentWithTab]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) calls.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, []);

  // Text that comes from elsewhere: a dropped file, a revert.
  useEffect(() => {
    const made = view.current;
    if (!made || made.state.doc.toString() === text) return;
    made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: text } });
  }, [text]);

  useEffect(() => {
    view.current?.dispatch({ effects: mark.of(marked) });
  }, [marked]);

  useImperativeHandle(ref, () => ({
    goTo(line, column) {
      const made = view.current;
      if (!made) return;
      const at = made.state.doc.line(Math.max(1, Math.min(line, made.state.doc.lines)));
      const anchor = Math.min(at.to, at.from + Math.max(0, column - 1));
      made.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) });
      made.focus();
    },
  }));
  return <div ref={host} className="editor" />;
}
