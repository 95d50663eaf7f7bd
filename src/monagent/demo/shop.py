"""A sample application: a shop on FastAPI and SQLite that calls its own rates service over HTTP and
confirms orders through a Celery queue. There is not a line of monitoring in it."""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from pathlib import Path

import httpx
from celery import Celery
from fastapi import APIRouter, FastAPI, HTTPException, Request
from kombu.transport import TRANSPORT_ALIASES, filesystem
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

DATA = Path(os.environ["SHOP_DATA"])


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    cents: Mapped[int]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    confirmed: Mapped[bool] = mapped_column(default=False)


engine = create_engine(f"sqlite:///{DATA}/shop.db", connect_args={"timeout": 30})


class Folder(filesystem.Channel):
    """A queue in a folder: real producer, real worker, no broker to install.

    Messages appear whole; of kombu 5.7's own a reader may meet one that is half written.
    """

    def _put(  # type: ignore[override]  # As kombu's own differs from its base.
        self, queue: str, payload: object, **_options: object
    ) -> None:
        name = f"{time.monotonic_ns()}_{uuid.uuid4()}.{queue}.msg"
        draft = DATA / name
        draft.write_text(json.dumps(payload))
        draft.rename(DATA / "queue" / name)


class Transport(filesystem.Transport):
    Channel = Folder


TRANSPORT_ALIASES["folder"] = f"{__name__}:Transport"
queue = Celery("shop", broker="folder://")
queue.conf.update(
    broker_transport_options={
        "data_folder_in": f"{DATA}/queue",
        "data_folder_out": f"{DATA}/queue",
        "control_folder": f"{DATA}/control",
        "polling_interval": 0.05,
    },
    task_ignore_result=True,
    worker_hijack_root_logger=False,
)


@queue.task(name="confirm_order")  # type: ignore[untyped-decorator]  # Celery ships no types.
def confirm_order(order_id: int) -> None:
    """Marks an order confirmed; every thirteenth has bad luck."""
    if order_id % 13 == 0:
        raise ValueError(f"order {order_id} cannot be confirmed")
    time.sleep(random.uniform(0.001, 0.004))
    with Session(engine) as session:
        session.get_one(Order, order_id).confirmed = True
        session.commit()


app = FastAPI(title="shop")
shop = APIRouter(prefix="/shop")


@app.get("/")
async def front_page() -> dict[str, str]:
    return {"shop": "open"}


@shop.get("/products")
def products() -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(select(Product.name)))


@shop.get("/products/{product_id}")
def product(product_id: int) -> dict[str, str | int]:
    with Session(engine) as session:
        found = session.get(Product, product_id)
        if found is None:
            raise HTTPException(404)
        return {"name": found.name, "cents": found.cents}


@shop.post("/orders", status_code=201)
def order(product_id: int) -> int:
    with Session(engine) as session:
        made = Order(product_id=product_id)
        session.add(made)
        session.commit()
        confirm_order.delay(made.id)
        return made.id


@shop.get("/products/{product_id}/price/{currency}")
async def price(product_id: int, currency: str, request: Request) -> float:
    async with httpx.AsyncClient(base_url=str(request.base_url)) as rates:
        answer = await rates.get(f"/rates/{currency}")
        answer.raise_for_status()
    return float(product_id * answer.json())


@app.get("/rates/{currency}")
async def rate(currency: str) -> float:
    if currency == "XXX":
        raise HTTPException(404)
    return 1.1


app.include_router(shop)


def set_up() -> None:
    """Makes the tables and folders, and puts twenty products on the shelf."""
    for folder in ("queue", "control"):
        (DATA / folder).mkdir(exist_ok=True)
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    with Session(engine) as session:
        session.add_all(Product(name=f"product {n}", cents=100 * n) for n in range(1, 21))
        session.commit()
