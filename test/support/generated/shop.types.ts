// Written by 'outrigger types shop.proto'; write it again rather than change it.

export interface Shop {
  take(request: ItemInit): Promise<Left>;
  takeAll(requests: AsyncIterable<ItemInit>): Promise<Left>;
  watch(request: ItemInit): AsyncIterable<Left>;
  count(requests: AsyncIterable<ItemInit>): AsyncIterable<Left>;
}

/** Shop as whoever serves it sees it: `definition<Shop, ShopServer>('FILE.proto', 'shop.v1.Shop')`. */
export interface ShopServer {
  take(request: Item): Promise<LeftInit>;
  takeAll(requests: AsyncIterable<Item>): Promise<LeftInit>;
  watch(request: Item): AsyncIterable<LeftInit>;
  count(requests: AsyncIterable<Item>): AsyncIterable<LeftInit>;
}

export interface Item {
  sku: string;
  number: number;
}

/** Item as it may be written. */
export interface ItemInit {
  sku?: string | undefined;
  number?: number | undefined;
}

export interface Left {
  sku: string;
  left: number;
}

/** Left as it may be written. */
export interface LeftInit {
  sku?: string | undefined;
  left?: number | undefined;
}
