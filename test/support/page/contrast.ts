/** The parts of the DOM that `lowContrasts` uses. The project has no DOM types, because src/ runs in Node.js. */
interface PageElement {
  readonly parentElement: PageElement | null;
  readonly namespaceURI: string;
}
interface PageText {
  readonly parentElement: PageElement;
  readonly textContent: string;
}
declare const document: {
  readonly body: PageElement;
  createTreeWalker(root: PageElement, show: number): { nextNode(): PageText | null };
};
declare function getComputedStyle(element: PageElement): Readonly<Record<'color' | 'fill' | 'backgroundColor', string>>;

/**
 * Returns the texts of the open page whose contrast to their background is below 4.5, the minimum of WCAG 2 AA. It runs
 * in the browser, so it uses nothing outside of itself. The page has opaque backgrounds only.
 */
export function lowContrasts(): string[] {
  const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour: string): number => {
    const [r = 0, g = 0, b = 0] = channels(colour).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backgroundOf = (element: PageElement | null): string => {
    if (element === null) return 'rgb(255, 255, 255)';
    const { backgroundColor } = getComputedStyle(element);
    return channels(backgroundColor)[3] === 0 ? backgroundOf(element.parentElement) : backgroundColor;
  };
  const contrastOf = (element: PageElement): number => {
    const style = getComputedStyle(element);
    const ink = luminance(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const ground = luminance(backgroundOf(element));
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  };
  const low: string[] = [];
  const SHOW_TEXT = 4;
  const texts = document.createTreeWalker(document.body, SHOW_TEXT);
  for (let text = texts.nextNode(); text !== null; text = texts.nextNode()) {
    const { parentElement, textContent } = text;
    if (textContent.trim() !== '' && contrastOf(parentElement) < 4.5) low.push(textContent);
  }
  return low;
}
