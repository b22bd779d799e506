//! Matrix products on views.

use gemm::Parallelism;
use ndarray::{ArrayView2, ArrayViewMut2};

/// How many threads share one product. The bytes of the result do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread.
    One,
    /// Those of the rayon pool that the call is made in.
    All,
}

/// `c = alpha a b + beta c`, with `a` of shape `[m, k]`, `b` of shape `[k, n]` and `c` of shape `[m, n]`, in any strides.
///
/// With `beta` zero the old `c` is not read, so NaN in it does no harm. Products of `f32` accumulate in `f32`; an entry of the
/// result is a sum of `k` of them. Cost: `2 m n k` operations.
///
/// # Panics
/// If the shapes do not fit, or if entries of `c` share memory.
pub fn multiply_add(
    alpha: f32,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    beta: f32,
    mut c: ArrayViewMut2<'_, f32>,
    threads: Threads,
) {
    let ((m, k), (inner, n)) = (a.dim(), b.dim());
    assert_eq!(k, inner, "the columns of `a` and the rows of `b` differ");
    assert_eq!(c.dim(), (m, n), "the shape of `c` is not that of the product");
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.mapv_inplace(|value| if beta == 0.0 { 0.0 } else { beta * value });
        return;
    }
    let stride = |strides: &[isize], axis: usize, length: usize| if length == 1 { 1 } else { strides[axis] };
    let (c_rows, c_columns) = (stride(c.strides(), 0, m), stride(c.strides(), 1, n));
    assert!(apart((m, c_rows), (n, c_columns)), "entries of `c` share memory");
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    #[expect(unsafe_code, reason = "gemm takes pointers; the views vouch for them")]
    // SAFETY: the extents handed over are those of the views (m, n and k are checked against all three), so every address
    // `pointer + row * row stride + column * column stride` is an entry of its view. Entries of `c` are distinct (checked above),
    // and the exclusive borrow of `c` keeps them apart from `a` and `b`, which are only read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c.strides()[1],
            c.strides()[0],
            beta != 0.0,
            a.as_ptr(),
            a.strides()[1],
            a.strides()[0],
            b.as_ptr(),
            b.strides()[1],
            b.strides()[0],
            beta,
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Whether the entries of a matrix with these extents and strides lie at different addresses: one step along the outer axis
/// passes over everything the inner axis reaches.
fn apart((rows, row_stride): (usize, isize), (columns, column_stride): (usize, isize)) -> bool {
    let (row, column) = (row_stride.unsigned_abs(), column_stride.unsigned_abs());
    let clear = |inner: usize, length: usize, outer: usize| inner > 0 && outer > inner * (length - 1);
    if rows == 1 || columns == 1 {
        return row > 0 && column > 0;
    }
    clear(row, rows, column) || clear(column, columns, row)
}
