//! A sheet as labelled arrays in an HDF5 file, as xarray opens it (`engine = "h5netcdf"` or `"netcdf4"`).
//!
//! Each output is an array; its dimensions are the learners (if the study has parameters) and the axes of the grid, or
//! the given points. Coordinates are data sets of their own, joined by dimension scales as netCDF-4 wants them. A
//! coordinate that is the same everywhere (that of a slice) is a number beside the arrays. The parameters are
//! coordinates along the dimension `learner`.

use super::grid::Points;
use super::sheet::Sheet;
use crate::model::Parameter;
use hdf5::plist::file_access::LibraryVersion;
use hdf5::types::{VarLenArray, VarLenUnicode};
use hdf5::{Dataset, File, H5Type, ObjectReference1, Result};
use hdf5_sys::h5a::{H5Aclose, H5Acreate2, H5Awrite};
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{H5S_class_t, H5Sclose, H5Screate};
use hdf5_sys::h5t::{H5T_C_S1, H5Tclose, H5Tcopy, H5Tset_size};
use std::ffi::CString;
use std::path::Path;

/// The dimension of given points.
const POINT: &str = "point";
/// The dimension of learners.
const LEARNER: &str = "learner";

/// Which data set uses a dimension, and in which place.
#[derive(Clone, Copy, H5Type)]
#[repr(C)]
struct Reference {
    dataset: ObjectReference1,
    dimension: i32,
}

/// Writes a sheet to a new file and closes it. The error is the reason, for people.
pub fn save(path: &Path, sheet: &Sheet) -> std::result::Result<(), String> {
    write(path, sheet).map_err(|error| error.to_string())
}

fn write(path: &Path, sheet: &Sheet) -> Result<()> {
    let file = File::with_options()
        .with_fapl(|access| access.libver_bounds(LibraryVersion::V18, LibraryVersion::V18))
        .create(path)?;
    let mut layout = Layout { file: &file, dimensions: Vec::new() };
    if let Some((name, text)) = &sheet.study {
        put_text(&file, "name", name)?;
        put_text(&file, "study", text)?;
    }
    // Coordinates that are not dimensions themselves.
    let mut beside: Vec<&str> = Vec::new();
    let (parameters, titles) = (sheet.parameters(), sheet.parameter_columns());
    if sheet.learners.len() > 1 || !parameters.is_empty() {
        let places: Vec<i64> = sheet.learners.iter().map(|(index, _)| *index as i64).collect();
        layout.scale(LEARNER, &places)?;
        for (name, title) in parameters.into_iter().zip(&titles) {
            let column: Vec<Option<&Parameter>> =
                sheet.learners.iter().map(|(_, parameters)| parameters.get(name)).collect();
            layout.parameter(title, &column)?;
            beside.push(title);
        }
    }
    match &sheet.points {
        Points::Grid(axes) => {
            for (name, axis) in sheet.coordinates.iter().zip(axes) {
                if let &[only] = &axis[..] {
                    file.new_dataset::<f64>().create(&**name)?.write_scalar(&only)?;
                    beside.push(name);
                } else {
                    layout.scale(name, axis)?;
                }
            }
        }
        Points::Given { dim, rows } => {
            let count = rows.len() / (*dim).max(1);
            layout.scale(POINT, &(0..count as i64).collect::<Vec<_>>())?;
            for (i, name) in sheet.coordinates.iter().enumerate() {
                let column: Vec<f64> = rows.iter().skip(i).step_by(*dim).copied().collect();
                layout.array(name, &[POINT], &column)?;
                beside.push(name);
            }
        }
    }
    let all: Vec<String> = layout.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let width = sheet.outputs.len();
    for (component, name) in sheet.outputs.iter().enumerate() {
        let of_one =
            |values: &Vec<f64>| values.iter().skip(component).step_by(width).copied().collect::<Vec<_>>();
        let values: Vec<f64> = sheet.values.iter().flat_map(of_one).collect();
        let dataset = layout.array(name, &all, &values)?;
        dataset.new_attr::<f64>().create("_FillValue")?.write_scalar(&f64::NAN)?;
        if !beside.is_empty() {
            put_text(&dataset, "coordinates", &beside.join(" "))?;
        }
    }
    layout.finish()?;
    file.flush()?;
    file.close()
}

/// A file whose arrays know their dimensions.
struct Layout<'a> {
    file: &'a File,
    dimensions: Vec<Dimension>,
}

struct Dimension {
    name: String,
    len: usize,
    scale: Dataset,
    users: Vec<Reference>,
}

impl Layout<'_> {
    /// A dimension with its coordinates.
    fn scale<T: H5Type>(&mut self, name: &str, values: &[T]) -> Result<()> {
        let scale = self.file.new_dataset::<T>().shape(values.len()).create(name)?;
        scale.write_raw(values)?;
        put_ascii(&scale, "CLASS", "DIMENSION_SCALE")?;
        put_ascii(&scale, "NAME", name)?;
        let id = self.dimensions.len() as i32;
        scale.new_attr::<i32>().create("_Netcdf4Dimid")?.write_scalar(&id)?;
        self.dimensions.push(Dimension {
            name: name.to_owned(),
            len: values.len(),
            scale,
            users: Vec::new(),
        });
        Ok(())
    }

    /// An array over some dimensions.
    fn array<T: H5Type>(&mut self, name: &str, over: &[&str], values: &[T]) -> Result<Dataset> {
        let of = |name: &&str| self.dimensions.iter().position(|dimension| dimension.name == *name);
        let places: Vec<usize> = over.iter().filter_map(of).collect();
        let shape: Vec<usize> = places.iter().map(|place| self.dimensions[*place].len).collect();
        let dataset = self.file.new_dataset::<T>().shape(shape).create(name)?;
        dataset.write_raw(values)?;
        let own: ObjectReference1 = self.file.reference(name)?;
        let mut list = Vec::new();
        for (axis, place) in places.iter().enumerate() {
            let dimension = &mut self.dimensions[*place];
            dimension.users.push(Reference { dataset: own, dimension: axis as i32 });
            let scale: ObjectReference1 = self.file.reference(&dimension.name)?;
            list.push(VarLenArray::from_slice(&[scale]));
        }
        if !list.is_empty() {
            let attribute = dataset.new_attr::<VarLenArray<ObjectReference1>>().shape(list.len());
            attribute.create("DIMENSION_LIST")?.write_raw(&list)?;
        }
        Ok(dataset)
    }

    /// The values of a parameter along the learners: numbers if all are numbers, else texts.
    fn parameter(&mut self, name: &str, column: &[Option<&Parameter>]) -> Result<()> {
        let integer = |value: &Option<&Parameter>| match value {
            Some(Parameter::Integer(i)) => Some(*i),
            _ => None,
        };
        let number = |value: &Option<&Parameter>| match value {
            Some(parameter) => parameter.number(),
            None => Some(f64::NAN),
        };
        if let Some(integers) = column.iter().map(integer).collect::<Option<Vec<i64>>>() {
            self.array(name, &[LEARNER], &integers)?;
        } else if let Some(numbers) = column.iter().map(number).collect::<Option<Vec<f64>>>() {
            self.array(name, &[LEARNER], &numbers)?;
        } else {
            let text = |value: &Option<&Parameter>| {
                value.map(ToString::to_string).unwrap_or_default().replace('\0', "\u{fffd}").parse()
            };
            let texts: Vec<VarLenUnicode> = column.iter().map(|v| text(v).unwrap_or_default()).collect();
            self.array(name, &[LEARNER], &texts)?;
        }
        Ok(())
    }

    /// Writes down who uses each dimension.
    fn finish(&mut self) -> Result<()> {
        for Dimension { scale, users, .. } in &self.dimensions {
            if !users.is_empty() {
                let list = scale.new_attr::<Reference>().shape(users.len()).create("REFERENCE_LIST")?;
                list.write_raw(users)?;
            }
        }
        Ok(())
    }
}

fn put_text(at: &hdf5::Location, name: &str, text: &str) -> Result<()> {
    let text: VarLenUnicode = text.replace('\0', "\u{fffd}").parse().unwrap_or_default();
    at.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text)
}

/// A text that ends with a NUL, which libraries want to see at dimension scales; the texts of the hdf5 crate don't.
#[expect(unsafe_code, reason = "only the C interface makes such texts")]
fn put_ascii(at: &hdf5::Location, name: &str, text: &str) -> Result<()> {
    let invalid = |error: std::ffi::NulError| hdf5::Error::Internal(error.to_string());
    let (name, text) = (CString::new(name).map_err(invalid)?, CString::new(text).map_err(invalid)?);
    let bytes = text.as_bytes_with_nul();
    let written = hdf5::sync::sync(|| {
        // SAFETY: the identifiers are those that the calls before returned (an invalid one makes the next call fail, no
        // more), the buffer is as long as the type says, and all texts end with a NUL.
        unsafe {
            let kind = H5Tcopy(*H5T_C_S1);
            H5Tset_size(kind, bytes.len());
            let space = H5Screate(H5S_class_t::H5S_SCALAR);
            let attribute = H5Acreate2(at.id(), name.as_ptr(), kind, space, H5P_DEFAULT, H5P_DEFAULT);
            let written = H5Awrite(attribute, kind, bytes.as_ptr().cast());
            H5Aclose(attribute);
            H5Sclose(space);
            H5Tclose(kind);
            written
        }
    });
    if written < 0 {
        return Err(hdf5::Error::Internal(format!("the attribute {name:?} can't be written")));
    }
    Ok(())
}
