/** Takes the text of a list apart while it comes. */
export interface ListSplitter {
  push(piece: string): void;
  /** The list without its items. Throws where the text was no JSON. */
  end(): unknown;
}

const [QUOTE, BACKSLASH] = ['"', '\\'].map((one) => one.charCodeAt(0));
const [OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = ['[', ']', '{', '}'].map((one) => one.charCodeAt(0));
/** Of the list of items, and of an item in it. */
const [IN_LIST, IN_ITEM] = [2, 3];

/**
 * Calls `saw` with each item of a Kubernetes list. Whole pages would cost many times their size: as objects that live
 * together they outgrow what V8 throws away cheaply.
 */
export function createListSplitter(saw: (item: unknown) => void): ListSplitter {
  let [rest, item] = ['', ''];
  let depth = 0;
  let [isText, isEscaped, isItems] = [false, false, false];
  let from = 0;

  function open(code: number, piece: string, at: number): void {
    depth += 1;
    if (isItems && depth === IN_ITEM) from = at;
    if (code !== OPEN_LIST || depth !== IN_LIST) return;
    isItems = true;
    rest += piece.slice(from, at + 1);
  }
  function close(piece: string, at: number): void {
    depth -= 1;
    if (isItems && depth === IN_LIST) {
      const text = item + piece.slice(from, at + 1);
      item = '';
      saw(JSON.parse(text));
    } else if (isItems && depth < IN_LIST) {
      isItems = false;
      from = at;
    }
  }
  /** Answers whether the text of a string goes on. */
  function readText(code: number): boolean {
    if (isEscaped) isEscaped = false;
    else if (code === BACKSLASH) isEscaped = true;
    else return code !== QUOTE;
    return true;
  }
  function read(code: number, piece: string, at: number): void {
    if (isText) isText = readText(code);
    else if (code === QUOTE) isText = true;
    else if (code === OPEN || code === OPEN_LIST) open(code, piece, at);
    else if (code === CLOSE || code === CLOSE_LIST) close(piece, at);
  }
  return {
    push(piece) {
      from = 0;
      for (let at = 0; at < piece.length; at += 1) read(piece.charCodeAt(at), piece, at);
      if (!isItems) rest += piece.slice(from);
      else if (depth >= IN_ITEM) item += piece.slice(from);
    },
    end: () => JSON.parse(rest),
  };
}
